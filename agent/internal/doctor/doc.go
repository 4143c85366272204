// Package doctor looks a Tentacle over and says what would keep an operator from deploying to its machine, each
// thing with a remedy.
//
// It serves a person's command, `tentacle doctor`, and changes nothing. A check is a function of what was read
// of the home; Checks lists them, and a new one is a line there. A check reports in one of three ways: Fail is what
// keeps deployments from working, Warn is what may, or what an owner should know, OK is what was looked at.
//
// Whether the port is open is told by the system's own list of sockets (/proc/net/tcp), not by connecting: a
// Tentacle never dials, its doctor included. Whether operators get through to it can only be seen from their side.
package doctor
