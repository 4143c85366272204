// Package server puts a Tentacle on the network. It is the only package of the daemon that opens sockets,
// and it opens one kind: a listener. Nothing here dials. (Lookup and Taken are not the daemon's; they serve a person.)
//
// New wires the file service, the scripts and the capabilities to the services of api/tentacle, and the list
// of trusted operators to the moment at which a halibut.Server asks whether a peer may call: after the
// preamble and before anything of a request is read, and again before each further request. Listen opens
// the port, Serve answers on it, TrustChanged closes the connections of those who are no longer trusted, and
// Shutdown ends it all.
//
// A script belongs to the operator who started it, known by the SHA-256 thumbprint of its certificate,
// whatever thumbprint the owner trusted it by. Refused peers are written to the log, at most one line a
// minute for each address and thumbprint, with a count and with the command that would trust them.
//
// Every connection and every transfer goes to the audit log, refused connections by the same tally as to the log. A
// transfer that cannot be recorded is refused for now.
package server
