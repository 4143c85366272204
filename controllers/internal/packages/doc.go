// Package packages keeps the archives that releases name, on disk. Ensure never waits: it answers what is known, and
// fetches in the background; when a fetch ends, the objects that asked are enqueued.
//
// A package is named by namespace, feed, id and version, and each such name has fetched its archive by itself, from its
// own feed, before it is given any: who knows the digest of another namespace's package gets nothing by it. Archives with
// the same digest lie on disk once.
//
// Kept in memory: an entry for each reference that an owner has asked for. It goes with its last owner (Release), once the
// time of its next try has passed. An owner that goes takes what is only fetched for it along. Archives are bounded by
// their number and by their bytes; those without an owner go first, and of these the ones that were not used for longest.
//
// Fetches are fair by namespace: at most 8 at once, of one namespace at most half of them, and the namespaces take turns.
// So a namespace waits for another at most as long as one fetch may take, where others fill their halves.
//
// The cache may be lost at any time and is filled again. Each archive is checked when it comes in: its published digest,
// that a machine will take it (package archive), and the digest of its content (the uncompressed archive; a zip is its own
// content), which machines check again before they unpack. A Cache is safe for concurrent use; it starts nothing until it
// is asked.
package packages
