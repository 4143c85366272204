// Package stage runs Mantle on one machine for programs that show or measure it: a real Kubernetes API, the operator with
// exactly its ServiceAccount's rights, and what else the program starts, each a process with a log in one temporary
// folder. Close ends every process by its id, also those that scripts left running, and removes the folder.
package stage
