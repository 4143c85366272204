// Package binding carries out ReleaseBindings: this environment runs that release.
//
// Duty: it compares what is desired (the release's snapshot and the binding's targets) with what the targets last
// received, and makes one DeploymentRun at a time until they agree. A run that failed holds the binding until what is
// desired, or the retry token, changes: status.record keeps how runs ended, whether they are still there or not. A new
// token where nothing failed deploys the release to all targets again.
//
// Watches: ReleaseBindings, the DeploymentRuns that they own, Projects, Releases, Environments and DeploymentTargets.
// Writes: DeploymentRuns (create only) and the status of ReleaseBindings.
// Never: touches a run that exists, a release, or a machine.
//
// A pass gathers the facts (gather.go), decides without I/O (decide.go, rules.go), writes down what is now true
// (conditions.go), makes the run if one is needed (carryout.go), and tells of it (events.go). Runs are listed past the
// cache and named after the facts, so a crash between two writes makes no second run.
package binding
