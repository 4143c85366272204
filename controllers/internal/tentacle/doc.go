// Package tentacle is the operator's only door to machines. A Pool probes them, carries out actions on them, and
// reports; no method that a reconciler calls waits for a machine.
//
// An action is one goroutine from Dispatch to its report: it sends the content that the machine lacks, sends
// StartScript with the action's ticket, follows the script, and says how it ended. Starting a ticket twice starts it
// once, so a lost answer is asked for again with the same ticket; an outcome that nobody can tell is Lost, never
// success. Output goes entry by entry into the action's LogSink; the result comes out of it by step.Scanner.
//
// A machine whose Tentacle has no engine that fits, as Octopus's, is brought one: a script asks for its system, the file
// is uploaded once, another script checks it and gives it its name. Such Tentacles forget their tickets, over script
// service V1 at once, so the engine claims them itself: a start may be sent again and still runs once, and the second
// tells how the first one ended.
//
// Connections are pooled by identity, so that no namespace speaks with another's key. At most Config.MaxDials are
// dialled at once. A machine that nobody works with has no connection five seconds later.
//
//	Dispatch ─► content ─► StartScript ─► WaitForStatus … ─► Report ─► (written) ─► Complete
//	    │           └── unreachable for RetryDuration ─► Unsent          │
//	    └── Resume: GetStatus first                       Cancel ─► CancelScript …
package tentacle
