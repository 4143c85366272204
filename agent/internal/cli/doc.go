// Package cli is the command line of a Tentacle, for people and for what installs machines. Main runs one
// command and returns the process's exit code; the codes are constants here and a table in agent/README.md,
// which also says after which of them a service manager should start the daemon again.
//
// The commands ask nothing: what flags do not answer has a default. They print what was done on standard
// output and what went wrong on standard error, with what to do about it. Two further words, `supervise` and
// `step`, are called by programs many times a minute; package main answers them before it comes here, and here they
// are only listed.
package cli
