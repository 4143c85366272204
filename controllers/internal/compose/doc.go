// Package compose builds what one action sends to its machine: the plan of the step with the current values, its
// secrets, and the package that it deploys. It also locates the machine.
//
// Prepare runs in the action's own goroutine, just before the action is sent. It reads Secrets and ConfigMaps from the
// API server: each object is read once for all actions of a run that need it within a few seconds. If something is
// missing, for now or for ever, the error is a *dispatch.NotReady.
package compose
