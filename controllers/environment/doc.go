// Package environment counts an Environment's targets by health and tells which release of each project runs there.
//
// Duty: status only. Watches: Environments, DeploymentTargets, Projects and ReleaseBindings. Writes: the status of
// Environments, joined to at most one write every ten seconds. Never: decides anything that others go by.
package environment
