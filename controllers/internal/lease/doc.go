// Package lease keeps a leader that stood still from acting: a process whose machine was suspended, or whose container
// was frozen, does not know that its lease has run out and that another operator leads.
//
// A Lease is the lock of the manager's leader election. It notes when the last renewal that succeeded was begun, and
// Fence fails from one lease's duration after that: no other operator takes over earlier, as it counts from when it saw
// the renewal. Time is that of the wall clock or of the monotonic clock, whichever says that more has passed: the
// monotonic clock stands still while a machine is suspended, and the wall clock may be set back.
//
// Transport refuses what would change something while the fence is closed, before it is sent; whoever talks to machines
// asks Fence. Run ends as soon as the fence closes under a leader. A process that has lost its lease never gets it back:
// it must end, and be started again.
package lease
