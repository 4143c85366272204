// Package identity manages the operator's identities. Each namespace has its own, so that a machine that trusts the
// operator for one tenant does not trust it for another. The key is in Secret mantle-identity-<namespace> in the
// operator's namespace; ConfigMap mantle-identity in the tenant's namespace contains the thumbprints, for the
// configuration of Tentacles. An administrator can create the Secret instead, with another certificate and key as PEM
// or PFX.
//
// For creates an identity when it is first needed, and remembers it for a short time. Identities in memory are keyed by
// the namespace's UID and are deleted with the namespace (Watch), private keys included: a namespace that is recreated
// with the same name does not get the earlier identity. For never replaces an identity by itself: if the Secret was
// deleted, or was created for an earlier namespace of the same name, it returns ErrLost with what an administrator can
// do. Both objects are read from the API server, because a cache would watch every Secret of the cluster. A Store is
// safe for concurrent use.
package identity
