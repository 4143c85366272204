// Package feed fetches packages. Apart from the connections to machines and to the Kubernetes API, it is the only
// package that uses the network.
//
// A Feed fetches the package of a Ref; a Registry contains the types of feeds. The type URL is built in: its packages are
// files of a web server. Archives are stored as published, without decoding, because their digest is computed from that.
//
// URLs come from resources that tenants write, and are not trusted: only https is fetched, credentials in a URL are
// refused, a redirect must stay on https, and every address is checked after name resolution, just before it is
// dialled. Names are resolved as they are written, without a search list. Loopback and link-local addresses, the API
// server's addresses, and names under .svc and .cluster.local are refused unless the operator's administrator allows
// their range. `file:` works only below a root that the administrator sets. Size and time are bounded. A Fetcher is
// safe for concurrent use.
package feed
