// Package desired computes which targets a binding desires, which of them are up to date, and the name of the next run.
// A binding desires the snapshot of a release on some targets; two bindings with equal hashes desire the same.
//
// It is pure, and shared so that all controllers decide alike: the binding controller uses it to decide whether a run
// is needed, the run controller to choose the targets when the run begins, and the target controller to record the
// result of a run.
//
// Four questions, and where the answer is:
//
//	is the target up to date?                  status.installed of the target (UpToDate)
//	will the target show what the run did?     the run and its slice (Outcome, Expected)
//	does the target show it?                   status.installed of the target (Shows)
//	is the target excluded from the next run?  status.record of the binding, and status.installed (Excluded)
//
// None of them needs a deleted run: how a run ended is added to the record before the run is deleted (Recorded).
package desired
