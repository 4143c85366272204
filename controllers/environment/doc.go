// Package environment reconciles Environments. Their status has the number of targets by health, and the release that runs
// there for each project.
//
// Duty: status only. Watches: Environments, DeploymentTargets, Projects and ReleaseBindings. Writes: the status of
// Environments, at most every ten seconds. Never: writes anything that other controllers depend on.
package environment
