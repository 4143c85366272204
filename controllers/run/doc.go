// Package run carries out DeploymentRuns: one execution of a release in an environment.
//
// Duty: it waits for what a run needs, fixes the set of targets and writes it into slices. Then each pass takes what the
// dispatcher reports into the ledger, asks plan.Evaluate what to do, writes that down, and has it carried out, until the
// run has ended.
//
// Watches: DeploymentRuns, ReleaseBindings (another release supersedes), Releases, Environments, DeploymentTargets, and
// what the dispatcher and the package cache report.
// Writes: DeploymentRunSlices, the status and the finalizer of DeploymentRuns, owners of ControllerRevisions.
// Never: waits for a machine; starts anything that is not written as Running first.
//
// A run in progress is kept in memory (package ledger) and written through. An action's ticket is derived from run, step,
// target and attempt, so a new leader derives the same tickets from the rows, asks the machines, and goes on. A write that
// meets a conflict drops the memory of the run, and the next pass reads it again from the API server.
//
// An action prepares itself just before it is sent: its row is Running by then, and says what it waits for.
//
// # Order of writes
//
//	finalizer ─► slices (spec) ─► status: TargetsResolved ─► rows Running ─► prepare, StartScript ─► rows ended ─► CompleteScript
package run
