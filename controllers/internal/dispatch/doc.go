// Package dispatch carries out the actions of runs on machines and reports how they end. No method of a Dispatcher waits
// for a machine, and it owns no part of a run: package plan decides what happens, and package ledger stores it.
//
// An action has one goroutine from Dispatch to its end. Their number is bounded for each namespace; the others are
// queued:
//
//	Dispatch ─► prepare ─► send ─► follow ─► Report ─► (written) ─► Acknowledge
//	    │         ▲  └─ NotReady: waits     │
//	    └─ Resume: find (asks the machine) ─┘
//
// If the machine is believed to be unreachable (Action.Away), one connection is tried and nothing is prepared: the action
// ends as Unreached, or reports Reachable and is dispatched again once its row is written. These connections have their
// own limit (session.Pool.Reachable).
//
// The goroutine prepares what is sent, with a limit for each namespace and one for all; uploads the content that the
// machine lacks; sends StartScript with the action's ticket; and follows the script to its end. It calls Locate before
// every request, so that a ticket is followed to a new address. Starting a ticket twice starts it once, so a
// StartScript whose answer was lost is repeated with the same ticket. An Octopus Tentacle that was restarted has lost its
// scripts, which go on: the step is sent again, and its engine, which claims tickets itself, tells how the first start ends.
// If nobody can tell how a script ended the action is Lost, never Succeeded.
//
// While an action runs, its Report says what it waits for: something that is needed to prepare it (Preparing, or the
// reason of the NotReady), a machine that cannot be reached, or another script that holds the machine's mutex
// (MachineBusy). Report.Sent is true once StartScript was accepted or may have been. It becomes false again if the
// machine says that it does not know the ticket, or that it refused to begin.
//
// Drop and Forget end the goroutine: what was not sent is never sent, the machine is no longer asked, and the secrets
// are released. A process that ends, or that is not the leader according to Config.Fence, leaves its actions without a
// report; the next process continues them with Resume.
package dispatch
