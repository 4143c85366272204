// Command packages builds the Tentacle's packages for Debian's and Red Hat's families, from a binary that was
// built before: `make packages` calls it for each architecture.
//
// A package brings the program, the systemd unit that `tentacle service install` would write (a test in
// agent/internal/hostservice holds the file to that), and the manual. It makes no home, no key and no user: on
// a new machine nothing is started, as the Tentacle would obey nobody. An upgrade starts the daemon again if it
// ran, and scripts go on meanwhile; a removal ends the daemon alone. The home, which holds the machine's
// identity, outlives even a purge: the scripts say where it is, and never delete a key.
//
// The same sources and the same time make the same bytes. The module is separate, so that what ships does not
// depend on what packs it.
package main
