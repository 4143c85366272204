// Package ledger holds what a live run knows: the run as last written, its frozen process, its fixed set of targets, and
// the attempts of every action. It is the only holder: package plan reads it, package dispatch never sees it.
//
// Load reads run and slices past the cache; Store writes what changed, one patch for each touched slice, each with its
// resourceVersion. A conflict means that another process writes too: the ledger is dropped and loaded again.
//
//	Planned ─► Recorded ─► Dispatched ─► Ended ─► Stored ─► Acknowledged
//	   │           └──────────────────────►▲
//	   ├──────────────────────────────────►┤
//	   └─► Trying ────────────────────────►┘
//
// An attempt that is Trying only connects to a machine that is believed to be away. Nothing is sent, and no row tells of it.
// If the machine can be reached the attempt is withdrawn, and the action begins with one of its own.
//
// No machine is told of an attempt before a slice says the same: only Recorded attempts are dispatched, and only Stored
// results are acknowledged. Load makes an attempt that is Running in its slice Recorded, and one that has ended Stored,
// so a new leader asks every machine again before it starts anything.
package ledger
