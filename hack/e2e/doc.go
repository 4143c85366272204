// Package e2e holds the tests that run the whole product as processes: a real Kubernetes API, the operator with exactly
// its ServiceAccount's rights, and Tentacles with real scripts. They kill what may die, look at what is left, and search
// every byte for secrets.
//
// The package has tests only. They need Linux, Bash, and the programs that `make test` builds.
package e2e
