// Package binding reconciles ReleaseBindings. A binding requests a release for an environment.
//
// Duty: it compares the desired state (the release's snapshot and the binding's targets) with status.installed of the
// targets, and creates one DeploymentRun at a time until they agree. After a failed run the binding is held until the desired
// state or the retry annotation changes. The results of runs are stored in status.record, which does not depend on whether
// the runs still exist. If nothing failed, a new value of the retry annotation deploys the release to all targets again.
//
// Watches: ReleaseBindings, the DeploymentRuns that they own, Projects, Releases, Environments and DeploymentTargets.
// Writes: DeploymentRuns (create only) and the status of ReleaseBindings.
// Never: changes an existing run or a release; calls a machine.
//
// A pass reads the facts (gather.go), decides without I/O (decide.go, rules.go), patches the status (conditions.go), creates
// a run if one is needed (carryout.go), and sends events (events.go). Before a run is created, the runs are listed from the
// API server. Its name is derived from the facts, so a crash between two writes cannot lead to a second run.
package binding
