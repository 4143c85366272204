// Package session makes all connections of the operator to machines. A Pool contains the connections, and what is known
// of each machine while it is in use: its capabilities, which contents it has, and the engine that was uploaded to it.
// The package probes machines, reads their inventory and runs health steps; package dispatch carries out the actions of
// runs.
//
// Connections are pooled by namespace and identity, so that no namespace uses another's key. At most Config.MaxDials are
// dialled at once, at most half of them for one namespace; the namespaces take turns. Config.Allow is called for every
// address before it is connected to. The connection to a machine that is not in use is closed after a few seconds.
//
// Answers of machines are read at a bounded rate for each namespace, and with bounded memory: output is passed on while it
// arrives, so an answer may have any size, and a machine with endless output delays its own namespace and no other. At
// most three quarters of the scripts that are followed belong to one namespace.
//
// A Script is one script on a machine, over the script service that the machine has. Its output is written to an
// Output, entry by entry; step.Scanner reads the result from it. What a machine sends is not trusted: numbers and lists
// are bounded, and texts are cleaned before they can be shown.
//
// If a Tentacle has no suitable engine, as Octopus's has none, the operator uploads one: a script asks for the
// operating system, the file is uploaded once, and another script verifies and renames it. Such Tentacles forget their
// tickets, over script service V1 at once, so the engine claims the tickets itself: a start can be sent again and still
// runs once, and the second start reports how the first one ended.
package session
