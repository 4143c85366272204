// Package trust is the list of the operators whom this machine obeys, each named by the thumbprint of
// its certificate. The owner of the machine changes it by `tentacle trust`; no call over the wire can.
//
// The daemon and the commands share one file, <home>/.tentacle/trust.json, replaced by rename and
// changed only inside the home's lock, where it is read anew first. A List looks at the file at each
// check and reads it again when it was replaced, so a change takes effect at the next request even
// where no signal reaches the daemon. A file that cannot be read trusts nobody.
//
// A thumbprint of SHA-1, as Octopus prints it, is only the introduction: at the first connection of
// that operator the SHA-256 of its certificate is stored beside it and required from then on, so that a
// second certificate with the same SHA-1 is a stranger.
package trust
