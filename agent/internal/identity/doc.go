// Package identity reads and writes what a machine is known by, its certificate and private key, as people
// keep them in files, and puts another one in the place of a home's.
//
// Decode takes PFX (PKCS #12, with the ciphers of today and those that .NET and old Windows write), the
// base64 text of one as Octopus's Tentacle writes it, and PEM. Pair.PFX and Pair.PEM write them. What is
// read is a file that a person named: it is bounded, and a key that no operator could talk to is refused with
// what to do instead.
//
// Replace never loses an identity: the one that goes is kept in <home>/.tentacle/identities, in one PEM file
// that can be imported again. It writes two files; a power cut between them leaves a pair that does not fit,
// which the daemon refuses to serve with and another Replace mends.
package identity
