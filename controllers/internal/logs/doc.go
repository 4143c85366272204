// Package logs stores the output of actions on disk, one file for each attempt, and serves it to users who may read it.
//
// Logs are stored by the UID of their run: a run that is recreated with the same name does not have the logs of the
// earlier one. They are deleted with their run (Delete). The logs of runs that were deleted while no operator was
// running are deleted when the operator starts (Sweep).
//
// A Sink numbers its entries with the machine's own sequence, also after a restart of the operator, so that output that
// is read twice is stored once. An entry of any length is one line of the output. The log of each action is bounded, and so are all logs together: the oldest runs of the
// namespace with the largest logs are deleted first. The size of a run's logs is counted as they are written. What is
// read from the disk is bounded too. Output is already masked when it arrives; this package masks nothing. A Store and
// its Sinks are safe for concurrent use, with one writer for each action.
package logs
