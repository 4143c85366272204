// Package controllers is the operator: one package for each kind, and Setup, the one list of what runs.
//
// Below controllers/internal are the pure heart (plan, scope, desired) and one door to each outside thing: tentacle to
// machines, feed to package sources, packages and logs to the disk, identity to the keys, status to the status of our
// kinds. A pass of a controller never waits for any of them: what they find out enqueues the object again.
package controllers
