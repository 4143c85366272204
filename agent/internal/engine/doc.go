// Package engine is `tentacle step`: it carries out the one step that a plan describes, and ends with
// the step's exit code.
//
// A Tentacle's script calls it in the folder to which the operator sent plan.json and, where there are
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
// A script that its step wants to run as another user is run by a worker (worker.go): this same program, started as
// that user by the supervisor, by the engine where it has the rights, or by sudo. The engine sends it the job
// and takes output and outcome from it, in frames over their standard streams; journal, masking and result stay
// with the engine.
package engine
