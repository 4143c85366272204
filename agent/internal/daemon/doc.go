// Package daemon is `tentacle run`: it puts the parts of a Tentacle together, in the one order that is
// safe, and takes them apart again.
//
// Run locks the home before it reads anything of it, so that two daemons never look at the same state.
// Then come settings, identity and trust, the remains of an earlier daemon (cut-off uploads, spools,
// scripts that ran or waited), and only then the port. While it serves nothing happens that nobody asked for:
// there is no timer. A request to look again at the list of trusted operators (SIGHUP; an event on
// Windows) closes the connections of those who are gone from it.
//
// It opens the audit log before anything that could have to be recorded, and the list of those who were refused beside
// it; both end last.
//
// The end of Run's context is the end of the daemon: no further connections, idle ones closed, requests
// under way finished within a few seconds. Scripts go on under their supervisors, and the next daemon finds
// them. Settings and Identity are what the commands read of a home, too.
package daemon
