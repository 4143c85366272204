// Package process starts scripts, each under a supervisor of its own, and tells afterwards what became of
// them. It is the only package of the Tentacle that starts processes for the daemon, and the only one that
// signals any.
//
// The daemon writes a ticket and calls Launch, which starts `tentacle supervise DIR`; that program
// is Supervise. Look tells where a ticket stands, from its folder alone, so that it does not matter whether
// the daemon that looks is the one that launched. Decide settles a ticket without running it, Wake makes a
// supervisor look for a cancel, and EndSession kills what a dead supervisor left behind.
//
// A ticket is a file and a folder beside it, DIR+ticket and DIR. The file (ticket.go, records.go) is what the start asked
// for, written once by the daemon: the command, and the plan and the secrets of a step, as records with length and CRC. It is
// synced together with the folder that both are in before the start is answered. One that is not whole was cut by the power
// before that, and its ticket was never received. A supervisor cuts plan and secrets off when it has read them, which is
// after it has made started.
//
// The files of the folder, and who writes them:
//
//	claim      the daemon makes it when it launches; the supervisor locks it until it has written the result, or dies
//	started    made exclusively, whole and synced, before the script starts: by the supervisor (boot, process
//	           id, start time) or, to settle the ticket, by the daemon (Decision, and no process to be killed by).
//	           The supervisor does not sync it where the command says that the turn came with the start (Spec.Boot): then
//	           a ticket without it is Lost in another run of the machine, as nobody knows whether it was made
//	cancel     the daemon, synced: end it; completed: nobody wants its result any more
//	output-*   package output: by the daemon before the claim, by the supervisor after
//	result     the supervisor, renamed when whole, in a file that was allocated before the claim
//	command    nothing but a version, which tells predecessors that know no ticket file to leave the ticket alone. Theirs
//	           is the command, and call their plan and secrets; both are read still
//
// A supervisor may be launched while the ticket is being synced (LaunchHeld). It then waits at a pipe, before it
// looks at anything, until the daemon lets it go on; if the daemon ends, so does the supervisor.
//
// Whoever makes started decides, so two supervisors of one ticket, or a supervisor and a daemon that
// cancels, never both win, and a daemon may be killed between any two steps. Look reads started before it
// tries the lock and the result after it: a supervisor holds the lock from before it makes started until
// after the result, so started without lock and result means that it died. A supervisor whose daemon has
// gone before it could claim leaves the ticket to the next daemon, which may have put it behind others by
// then; and one that cannot claim it (the disk is full) tells its daemon why.
//
// A supervisor is the leader of a session of its own, has the null device for its standard streams and only
// DIR in its arguments. The script is the leader of a process group in that session; its environment is the
// daemon's with the additions of Launch. A cancel is TERM to all of them, KILL after a grace, and where
// processes survive both the ticket is abandoned, with their ids. On Linux they are the session and all that
// descends from the supervisor (and, after its death, what is in its session, if the mark in their environment says that it is
// that one still): it adopts orphans, so that a session of its own hides nothing. Elsewhere what
// has left the session and lost its parent is out of reach. What a script that ended by itself left
// running is never touched: the supervisor stays to drain its output, so that nothing breaks by writing.
//
// A step of Mantle's is carried out in the supervisor's own process (carry.go), by the Step that Supervise is given. It
// starts at most one process, the interpreter. The end of a script is told to the daemon by closing the pipe to it.
//
// Scripts may run as another account than the supervisor (users.go, become_unix.go), which LookupAccount asks
// the system for. Nothing of the supervisor's rights is passed on.
//
// On Windows there are no sessions and no signals. A supervisor leaves the daemon's Job where that lets it, and
// has a console of its own; the script runs in another Job, as the leader of a process group of that console. A
// cancel is CTRL+BREAK to the group, and the end of the Job after the grace. The supervisor looks for the cancel
// file ten times a second, and the daemon for the result as often. Until there is a result the Job ends with its
// supervisor, so nothing is left where that is killed.
package process
