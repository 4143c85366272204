// Package packages keeps the archives that releases name, on disk, by digest. Ensure never waits: it answers what
// is known, and fetches in the background; when a fetch ends, the objects that asked are enqueued.
//
// The cache may be lost at any time and is filled again. Each archive is checked when it comes in: its published
// digest, that it is a sound archive, and the digest of its content (the uncompressed archive; a zip is its own
// content), which machines check again before they unpack. Oldest archives go first when the cache is full.
// A Cache is safe for concurrent use; it starts nothing until it is asked.
package packages
