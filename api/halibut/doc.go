// Package halibut speaks Halibut 1.0, the wire protocol between Octopus Server and Octopus Tentacle: mutual
// TLS with pinned certificates, one request and one response at a time on a connection, each a BSON document
// in a raw deflate stream, followed by the bytes of its data streams.
//
// A caller makes one [Client], which keeps a pool of idle connections for each [Endpoint], and uses
// [Client.Call]. A listener makes a [Server] of [Service] values built with [Method0], [Method1], [Method2]
// and [Action1], and gives it a net.Listener. Parameters and results are structs with `bson` tags in wire
// order that implement [Typed], or scalars, or a [DataStream]. [NewIdentity] makes a certificate and
// [ParseThumbprint] reads the pin of one.
//
// The package knows nothing of scripts. It is built in layers: values to BSON (encode.go, decode.go), whole
// messages (message.go), deflate (deflate.go), one connection with its deadlines and its buffers (conn.go),
// data stream frames (frame.go), and above them the client and the server. Everything that a peer sends is
// bounded: sizes, depth, memory, and the time between two bytes. The wire itself is described in
// docs/halibut.md, which the comments cite by section.
package halibut
