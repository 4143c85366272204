// Package run carries out DeploymentRuns: one execution of a release in an environment.
//
// Duty: it waits for what a run needs, fixes the set of targets and writes it into slices, and then asks plan.Next
// what to do until the run has ended: start these actions, end those, cancel, or finish.
//
// Watches: DeploymentRuns, ReleaseBindings (a changed wish supersedes), Releases, DeploymentTargets, and what the
// sessions and the package cache report.
// Writes: DeploymentRunSlices, the status and the finalizer of DeploymentRuns, owners of ControllerRevisions.
// Deletes: the oldest finished runs beyond the project's history.
// Never: waits for a machine; starts anything that is not written down as Running first.
//
// The rows of a live run are kept in memory and written through. An action's ticket is derived from run, step, target
// and attempt, so a new leader derives the same tickets from the rows, asks the machines, and goes on. A write that
// meets a conflict drops the memory of the run, and the next pass takes it up again from the API server. No machine is told
// of a row, be it a start or a result, before a slice says the same.
//
// An action that cannot be prepared yet (its package is fetched, or the API server does not answer) has no row: the plan
// asks for it again, and the run says what it waits for. One that can never be prepared fails.
//
// # Order of writes
//
//	finalizer ─► slices (spec) ─► status: TargetsResolved ─► rows Running ─► StartScript ─► rows ended ─► CompleteScript
package run
