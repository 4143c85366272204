// Package addresses decides to which addresses the operator connects. Tenants write the URLs of packages and the
// addresses of machines; they must not use the operator to reach what only the operator can reach.
//
// Loopback, unspecified, link-local and multicast addresses are refused, and so are the API server's addresses and
// those of names inside the cluster. The administrator of the operator can allow ranges. An address is checked just
// before it is dialled, because the owner of a name decides what it resolves to.
package addresses
