// Package logs keeps the output of actions on disk, one file for each attempt, and serves it to those who may read it.
//
// Logs are kept by the UID of their run: a run that is made again under a name has nothing of the former one's. They go
// with their run (Delete), and those of runs that went while no operator was there when the operator starts (Sweep).
//
// A Sink numbers what it holds by the machine's own sequence, also across a restart of the operator, so output that is
// read again is not kept twice. Each action's log is bounded, and so are all together: of the namespace that has the most,
// the oldest runs go first. How much a run has is counted as it is written. What is read back from the disk is bounded, too.
// What arrives is masked already; nothing is masked here. A Store and its Sinks are safe for concurrent use, one writer to
// an action.
package logs
