// Package home knows where everything of a Tentacle lies on its machine. A Home is resolved once, at
// the start of a command, and every other package asks it for paths instead of joining names itself.
//
// The layout:
//
//	<home>/.tentacle          mode 0700: key, certificate, config, trust, tickets, spools; never reachable over the wire
//	<home>/Work/<ticket>      the folder of a script, reachable by that script only
//	<home>/Applications       what is deployed
//	<home>/Files              the rest of what operators upload
//	<home>/Tools              programs of operators' own, where scripts run as another user than the daemon
//
// Where scripts have a user of their own, all but the state folder and the home itself belongs to that one
// (apart.go).
//
// Two locks guard it. The daemon holds one on .tentacle/daemon for as long as it lives, so that a home
// has one daemon; whether a daemon lives is told by that lock, never by the process id that lies
// beside it. Every change of a state file happens under the other one, inside Change, so that a
// command and a daemon never overwrite each other's work. Files are replaced by rename: a reader sees
// the old content or the new one, and a crash leaves no half.
package home
