// Package target carries out DeploymentTargets: is the machine there, is it the right one, does it trust us, is it
// healthy, and what runs on it.
//
// Duty: it looks at every machine at its policy's interval; after 10 s, and then every 15 to 30 s, while one is not healthy,
// at doubling distances where a health script failed; at once where a person asks for it with an annotation; it reads a machine's own journal at the first contact and when it presents another certificate; and keeps
// status.installed from the rows of runs.
//
// Watches: DeploymentTargets, TargetPolicies, DeploymentRunSlices and DeploymentRuns, and what its own looks report.
// Writes: the status of DeploymentTargets; through the identity store a Secret and a ConfigMap at the first need.
// Never: waits for a machine in a pass; takes a certificate on trust.
//
// A look (look.go) is a goroutine with a bound in time that stores what it found and enqueues the target. A pass
// gathers that and the rows, and writes the status when something changed; an idle healthy target costs a write every
// half an hour.
package target
