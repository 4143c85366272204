// Package identity keeps the operator's identities: one for each namespace, as consent must not leak from one tenant
// to another. The key is in Secret mantle-identity-<namespace> in the operator's namespace; ConfigMap mantle-identity
// in the tenant's namespace publishes its thumbprints for people to put into Tentacles. An administrator can make the
// Secret instead, with another certificate and key as PEM or PFX.
//
// For makes an identity at first need and answers from memory for a short time after. What is in memory is kept by the
// namespace's UID and goes when the namespace goes (Watch), private keys included: a namespace that is made again under a
// name gets nothing of the former one's. It never makes a second one by
// itself: where the Secret is gone, or was made for an earlier namespace of the same name, it answers ErrLost with what
// an administrator can do. Both objects are read past the cache, which would otherwise watch every Secret of the
// cluster. A Store is safe for concurrent use.
package identity
