// Package packages stores the archives that releases use, on disk. Ensure never waits: it returns the present state and
// fetches in the background; when a fetch ends, the objects that need the package are enqueued.
//
// A package is identified by namespace, feed, ID and version. Each identity must have fetched the archive itself, from
// its own feed, before the cache returns it: knowing the digest of another namespace's package gives no access to it.
// Archives with the same digest are stored once.
//
// The memory contains an entry for each reference that an owner needs. It is deleted after its last owner is released,
// when its retry time has passed. The release of an owner cancels the fetches that only it needs. Archives are bounded
// by number and by bytes; those without an owner are deleted first, the least recently used before the others.
//
// Fetches are fair between namespaces: at most 8 at once, at most half of them for one namespace, and the namespaces take
// turns.
//
// The cache can be lost at any time and is filled again. Each fetched archive is checked: its published digest, that a
// machine will accept it (package archive), and the digest of its content (the uncompressed archive; a zip is its own
// content), which machines check again before they unpack it. A Cache is safe for concurrent use.
package packages
