// Package project judges Projects: what the schema cannot see is wrong in one, and whether what it names is there.
//
// Duty: status.problems, status.processDigest (only of a valid spec) and the conditions Ready, Reconciling and Stalled.
// A spec with problems is Stalled at once. One that names a Secret, a ConfigMap or a key that is not there is
// Reconciling, as the files of a commit arrive in any order, and Stalled after a minute; it recovers by itself.
//
// Watches: Projects, when their spec changes.
// Writes: the status of Projects.
// Never: keeps or shows the value of a Secret, or makes, changes or deletes anything.
//
// A pass judges the spec by package scope. Secrets and ConfigMaps are read past the cache, each once a pass, and their
// keys are all that is looked at; while one is missing the pass is repeated after some seconds, and otherwise they are
// not looked at until the spec changes, as a run reads them again when it uses them.
package project
