// Package lease prevents a suspended leader from acting: a process whose machine was suspended, or whose container was
// frozen, does not know that its lease has expired and that another operator is the leader.
//
// A Lease is the lock of the manager's leader election. It records when the last successful renewal was begun. Fence
// returns an error from one lease duration after that: no other operator takes over earlier, because it counts from
// when it saw the renewal. The elapsed time is that of the wall clock or of the monotonic clock, whichever is longer:
// the monotonic clock stops while a machine is suspended, and the wall clock can be set back.
//
// While the fence is closed, Transport refuses requests that would change something, before they are sent; code that
// calls machines must call Fence. Run ends as soon as the fence of a leader closes. A process that has lost its lease
// never gets it back: it must be restarted.
package lease
