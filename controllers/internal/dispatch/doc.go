// Package dispatch carries out the actions of runs on machines and reports how they end. No method of a Dispatcher waits
// for a machine, and it owns nothing of a run: what is decided comes from package plan, what is stored from package
// ledger.
//
// An action is one goroutine from Dispatch to its end; of one namespace a bounded number, and the others wait for a turn:
//
//	Dispatch ─► prepare ─► send ─► follow ─► Report ─► (written) ─► Acknowledge
//	    │         ▲  └─ NotReady: waits     │
//	    └─ Resume: find (asks the machine) ─┘
//
// To a machine that is believed to be away (Action.Away) one connection is tried, and nothing is prepared: the action ends
// as Unreached, or is Reachable and dispatched again when a row tells of it. These connections take turns of their own (session.Pool.Reachable).
//
// It prepares what is sent, in turn by namespace and at most so many at once; sends the content that the machine lacks
// and then StartScript with the action's ticket; and follows the script to its end. Before every question it asks where
// the machine is, so that a ticket is followed to another address. Starting a ticket twice starts it once, so a lost
// answer is asked for again with the same ticket; an end that nobody can tell is Lost, never success.
//
// While an action runs, its Report says what it waits for: what is missing to prepare it (Preparing, or the reason of
// the NotReady), a machine that cannot be reached, another script that holds the machine's mutex (MachineBusy). Report.Sent
// is true once StartScript was accepted or may have been. It is false again if the machine says that it does not know
// the ticket, or that it refused to begin.
//
// Drop and Forget end the goroutine: nothing is sent that was not, the machine is not asked any more, and the secrets are
// let go. A process that ends, or that Config.Fence says does not lead, leaves its actions without a report; the next one
// takes them up with Resume.
package dispatch
