// Package target reconciles DeploymentTargets. Their status says whether the machine is reachable, whether it and the
// operator trust each other, whether it is healthy, and what is installed on it.
//
// Duty: it checks the health of every machine at the interval of its policy. While a machine is not healthy, it is checked
// after 10 s and then every 15 to 30 s, or at doubling intervals if a health script failed. An annotation requests a check at
// once. It reads a machine's own journal at the first contact and when it presents another certificate, and keeps
// status.installed up to date from the rows of runs.
//
// Watches: DeploymentTargets, TargetPolicies, DeploymentRunSlices and DeploymentRuns, and the results of its health checks.
// Writes: the status of DeploymentTargets; through package identity, a Secret and a ConfigMap if they do not exist.
// Never: waits for a machine in a pass; trusts a certificate that is not in spec.thumbprint.
//
// A health check (look.go) is a goroutine with a timeout that stores its result and enqueues the target. A pass reads the
// result and the rows, and writes the status if something changed. An idle, healthy target costs a write every half an hour.
package target
