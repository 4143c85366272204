// Package desired answers which targets a binding desires, which of them are up to date, and what the next run is called.
// What a binding desires is the snapshot of a release on some targets; two bindings with equal hashes desire the same.
//
// It is pure: the binding controller asks it whether a run is needed, the run controller asks it for the set of targets
// when the run begins, and the target controller asks it what a run did to a target, so that all answer alike.
//
// Four questions, and what answers them:
//
//	is the target up to date?                  status.installed of the target (UpToDate)
//	will the target show what the run did?     the run and its slice (Outcome, Expected)
//	does the target show it?                   status.installed of the target (Shows)
//	is the target left out of the next run?    status.record of the binding, and status.installed (LeftOut)
//
// None of them needs a run that was deleted: the record takes in how a run ended before the run goes (Recorded).
package desired
