// Package session is the operator's only way to machines. A Pool holds the connections, and what is known of each machine
// while it is worked with: what it offers, which contents it has, the engine that was brought to it. It probes machines,
// reads their inventory and runs health steps; package dispatch carries out the actions of runs.
//
// Connections are pooled by namespace and identity, so that no namespace speaks with another's key. At most
// Config.MaxDials are dialled at once, those of one namespace at most half of them, in turn by namespace. Config.Allow is
// asked for every address before it is connected to. A machine that nobody works with has no connection a few seconds
// later.
//
// What machines answer is read at a bounded rate for each namespace, and in a bounded room: endless output costs its own
// tenant time, and nobody else. Of the scripts that are followed those of one namespace are at most three quarters.
//
// A Script is one script on a machine, over whichever script service the machine has. Output goes entry by entry into an
// Output; the result comes out of it by step.Scanner. What a machine says is a stranger's word: numbers are bounded, lists
// are cut, and texts are cleaned before they can be shown.
//
// A machine whose Tentacle has no engine that fits, as Octopus's, is brought one: a script asks for its system, the file
// is uploaded once, another script checks it and gives it its name. Such Tentacles forget their tickets, over script
// service V1 at once, so the engine claims them itself: a start may be sent again and still runs once, and the second
// tells how the first one ended.
package session
