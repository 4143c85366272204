// Package run carries out DeploymentRuns: one execution of a release in an environment.
//
// Duty: it waits until everything that a run needs is ready, selects the targets and writes them into slices. This set of
// targets is fixed from then on. Each pass then takes the reports of the dispatcher into the ledger, asks plan.Evaluate
// what to do, stores the decision in the slices, and has the dispatcher carry it out, until the run has ended.
//
// Watches: DeploymentRuns, ReleaseBindings (a change of the release supersedes a run), Releases, Environments,
// DeploymentTargets, and the reports of the dispatcher and the package cache.
// Writes: DeploymentRunSlices, the status and the finalizer of DeploymentRuns, owners of ControllerRevisions.
// Never: waits for a machine; starts an action before its row is stored as Running.
//
// A run in progress is kept in memory (package ledger), and every change is written to its slices. The ticket of an action is
// derived from run, step, target and attempt, so a new leader derives the same tickets from the rows, asks the machines for
// their status, and continues. After a conflict the run is dropped from memory, and the next pass reads it again from the
// API server.
//
// The inputs of an action are prepared just before it is sent. Its row is Running by then, and its message says what it waits
// for.
//
// # Order of writes
//
//	finalizer ─► slices (spec) ─► status: TargetsResolved ─► rows Running ─► prepare, StartScript ─► rows ended ─► CompleteScript
package run
