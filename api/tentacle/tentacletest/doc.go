// Package tentacletest tests what speaks the contracts of package tentacle, from both ends. Run is the
// conformance suite: it drives a Tentacle over the wire and holds it to every rule that a client can see.
// PlayRecordings plays recorded conversations of Octopus's own client to a listener and compares what comes
// back with what Octopus's own listener said. Fake is a Tentacle in memory, served over real TLS, whose
// scripts are functions and whose faults are chosen: the other end for tests of whoever drives Tentacles.
// It passes the suite and the recordings itself, so that what holds against it holds against a real one.
// It plays Octopus's generations too (Generation), which hold their part in the recordings.
//
// A Fake costs a loopback port, a certificate and two goroutines, so hundreds fit into one process. Beneath,
// it is a halibut.Server behind a listener of its own that can also misbehave in front of the protocol,
// and a state machine for tickets that is as strict as the real one but forgets everything when it ends.
package tentacletest
