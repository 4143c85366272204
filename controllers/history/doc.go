// Package history deletes old runs of a project in an environment. It keeps the newest finished runs; the project's
// spec.history.runs is their number.
//
// Duty: it deletes older finished runs, but never a binding's newest run or its last successful Rollout.
//
// Watches: DeploymentRuns, when they end; at the start of the operator, all that have ended.
// Writes: deletes DeploymentRuns, each by its UID.
// Never: deletes a run that has not ended, or any other object.
//
// Deleted runs are only a loss of information for users: whether a binding is held, and what is installed, is stored elsewhere.
package history
