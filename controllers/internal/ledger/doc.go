// Package ledger contains the state of an unfinished run in memory: its status as last written, its frozen process, its
// fixed set of targets, and the attempts of every action. No other package keeps a copy: package plan reads the ledger,
// package dispatch does not use it.
//
// Load reads the slices from the API server, not from the cache. Store writes the changes, one patch for each changed
// slice, with its resourceVersion. A conflict means that another process writes too: the ledger is dropped and loaded
// again.
//
//	Planned ─► Recorded ─► Dispatched ─► Ended ─► Stored ─► Acknowledged
//	   │           └──────────────────────►▲
//	   ├──────────────────────────────────►┤
//	   └─► Trying ────────────────────────►┘
//
// An attempt that is Trying only connects to a machine that is believed to be away. Nothing is sent, and no row tells of it.
// If the machine can be reached the attempt is withdrawn, and the action begins with one of its own.
//
// Nothing is sent to a machine before it is written in a slice: only Recorded attempts are dispatched, and only Stored
// results are acknowledged. Load makes an attempt that is Running in its slice Recorded, and one that has ended Stored,
// so a new leader asks every machine before it starts anything.
package ledger
