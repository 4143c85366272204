// Package addresses says where the operator connects to. Tenants write the URLs of packages and the addresses of
// machines; what the operator can reach from where it runs, and they cannot, is no business of theirs.
//
// Loopback, unspecified, link-local and multicast addresses are refused, the API server's, and what a name inside the
// cluster resolves to. The administrator of the operator can allow ranges. An address is judged just before it is
// dialled: what a name resolves to is the name owner's choice.
package addresses
