// Package snapshot keeps the frozen process of a release in an apps/v1 ControllerRevision: packages, variable
// definitions with references to secrets (never their values), settings and steps.
//
// Freeze makes the object for a release and its project; Read finds and decodes it again. The name carries the
// first ten digits of the process's digest, so that the same process frozen twice for one release is one object.
package snapshot
