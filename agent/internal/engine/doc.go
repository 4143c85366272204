// Package engine carries out the one step that a plan describes.
//
// On Mantle's own Tentacle the supervisor of the step's ticket does that in its own process (Carry): it has plan and
// secrets from where no script can read them, starts the interpreter as the step's user, and does what else it does to
// the machine as the account of scripts. Only packages are installed by a worker, where that account is another.
//
// For another Tentacle, Octopus's, it is the program `tentacle step` (Main), which ends with the step's exit code. A
// Tentacle's script calls it in the folder to which the operator sent plan.json and, where there are
// sensitive values, secrets.json. Main does, in this order: it claims the folder, so that a second start
// does nothing; it reads the secrets and unlinks their file; it reads the plan; it does the step (one
// file for each kind, one line each in kinds); it prints the result as its last line.
//
// Everything that a script prints, and everything that the engine says, goes through one masking per
// stream before it leaves the process; so do outputs and the tail of a failure. A script runs in a
// process group of its own (on Windows in a job), which is ended when the step's time is over or when
// the engine is told to end: first asked, then killed. What a script that ended by itself left running
// is never touched: where it still holds the output open, a small process of the engine's own goes on
// reading and discarding, so that it does not die of a broken pipe. The engine never uses the network.
//
// Which of the two it is, is the session's place (place.go).
//
// What must run as another user, and cannot be started as it directly, is run by a worker (worker.go): this same program,
// started as that user where there are the rights, or by sudo. It is sent the job, and output and outcome are taken from
// it, in frames over its standard streams; journal of a script, masking and result stay with who started it.
package engine
