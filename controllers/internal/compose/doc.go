// Package compose builds what one action sends to its machine: the plan of the step with its values as they are now, its
// secrets, and the package that it deploys, and tells where that machine is.
//
// Prepare runs in the action's own goroutine, just before it is sent. It reads Secrets and ConfigMaps past the cache: of
// one run, each object is read once for all actions that need it within a few seconds. What is not there yet, and what
// can never be had, is a *dispatch.NotReady.
package compose
