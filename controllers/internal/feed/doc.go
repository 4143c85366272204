// Package feed fetches packages; it is the operator's only way to the network but for machines and the Kubernetes API.
//
// A Feed gives what a Ref names; a Registry has the types of feeds. The type URL is built in: its packages are files of
// a web server. What a feed gives is taken as it is published: nothing decodes it on the way, as its digest is taken here.
//
// URLs come from resources that any tenant may write, so they are hostile: only https is fetched, credentials in a
// URL are refused, a redirect may not leave https, and every address that is dialled is checked after name
// resolution, of the name as it is written and by no search list. Loopback and link-local addresses, the API server's, and names under .svc and .cluster.local are
// refused unless the operator's owner allows their range. `file:` works only below a root that the owner gives.
// Size and time are bounded. A Fetcher is safe for concurrent use.
package feed
