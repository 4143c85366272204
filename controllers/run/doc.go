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
// meets a conflict drops the memory of the run, and the next pass takes it up again from the API server.
//
// # Order of writes
//
//	finalizer ─► slices (spec) ─► status: TargetsResolved ─► rows Running ─► StartScript ─► rows ended ─► CompleteScript
package run
