// Package snapshot keeps the frozen process of a release in an apps/v1 ControllerRevision: packages, variable
// definitions with references to secrets (never their values), settings and steps.
//
// Freeze makes the object for a release and its project; a Reader finds and decodes it again; Own keeps it while a run needs
// it. The name carries the first ten digits of the process's digest, so that the same process frozen twice for one release
// is one object. Its content is `{"version": 1, "process": {…}}`; a version that this operator does not know is an error that
// says what to do.
//
// A ControllerRevision's data cannot be changed, so that a Reader decodes each object once, by namespace, name and UID. It
// keeps at most 256 of them and 64 MiB of JSON; the least recently used goes first, and is decoded again when it is needed.
package snapshot
