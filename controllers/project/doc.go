// Package project reconciles Projects: it validates what the schema cannot validate, and checks that the objects that a
// project names exist.
//
// Duty: status.problems, status.processDigest (only of a valid spec) and the conditions Ready, Reconciling and Stalled.
// A project with problems is Stalled at once. If a Secret, a ConfigMap or a key is missing, the project is Reconciling, as the
// objects of a commit are created in any order, and Stalled after a minute. It becomes Ready by itself when nothing is missing.
//
// Watches: Projects, when their spec changes.
// Writes: the status of Projects.
// Never: stores or shows the value of a Secret; creates, changes or deletes an object.
//
// A pass validates the spec with package scope. Each Secret and ConfigMap is read once, from the API server, and only its keys
// are used. While one is missing, the pass is repeated after some seconds. Otherwise they are not read again until the spec
// changes, as runs read them when they use them.
package project
