// Package snapshot stores the frozen process of a release in an apps/v1 ControllerRevision: packages, variable
// definitions with references to secrets (never their values), settings and steps.
//
// Freeze builds the object for a release and its project; a Reader reads and decodes it; Own keeps it while a run needs
// it. The name contains the first ten digits of the process's digest, so that the same process frozen twice for one
// release is one object. Its content is `{"version": 1, "process": {…}}`; an unknown version is an error that names the
// remedy.
//
// A ControllerRevision's data cannot be changed, so a Reader decodes each object once, by namespace, name and UID. It
// keeps at most 256 of them and 64 MiB of JSON in memory; the least recently used is dropped first.
package snapshot
