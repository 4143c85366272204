// Package history prunes the runs of a project in an environment: the newest finished ones are kept, as many as
// spec.history.runs of the project says.
//
// Duty: it deletes the oldest finished runs beyond that, but never a binding's newest nor its last successful Rollout.
//
// Watches: DeploymentRuns that have ended; every run that is there when the operator starts, and each once when it ends.
// Writes: deletes DeploymentRuns, each by its UID.
// Never: touches a run that has not ended, or anything else that people made.
//
// What is deleted here is lost for people only: whether a binding is held, and what is installed, does not depend on it.
package history
