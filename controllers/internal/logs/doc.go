// Package logs keeps the output of actions on disk, one file for each attempt, and serves it to those who may read it.
//
// A Sink numbers what it holds by the machine's own sequence, also across a restart of the operator, so output that is
// read again is not kept twice. Each action's log is bounded, and so are all together: the oldest runs go first. What
// arrives is masked already; nothing is masked here. A Store and its Sinks are safe for concurrent use, one writer to
// an action.
package logs
