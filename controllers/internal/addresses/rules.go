package addresses

import (
	"net/netip"
	"slices"
	"strings"
)

// Class is why an address is refused.
type Class string

// The classes of addresses that are refused.
const (
	Loopback  Class = "loopback"
	LinkLocal Class = "link-local"
	APIServer Class = "API server"
	InCluster Class = "inside the cluster"
)

// Rules say which addresses may be dialled. The zero value has no exceptions.
type Rules struct {
	// Allow are ranges that may be dialled although they would be refused.
	Allow []netip.Prefix
	// Deny are refused beside the built-in ones: the API server's.
	Deny []netip.Addr
}

// Allowed tells whether the address is in a range that is allowed explicitly.
func (r Rules) Allowed(ip netip.Addr) bool {
	return slices.ContainsFunc(r.Allow, func(p netip.Prefix) bool { return p.Contains(ip.Unmap()) })
}

// Refused is why the address may not be dialled; empty if it may.
func (r Rules) Refused(ip netip.Addr) Class {
	ip = ip.Unmap()
	if r.Allowed(ip) {
		return ""
	}
	for _, a := range []netip.Addr{ip, translated(ip)} {
		switch {
		case a.IsLoopback(), a.IsUnspecified():
			return Loopback
		case a.IsLinkLocalUnicast(), a.IsMulticast():
			return LinkLocal
		case slices.Contains(r.Deny, a):
			return APIServer
		}
	}
	return ""
}

// translators are the ranges whose addresses end in the IPv4 address that they stand for.
var translators = []netip.Prefix{netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("::/96")} //nolint:gochecknoglobals // constants

// translated is the IPv4 address that an IPv6 address stands for; the address itself if it stands for none.
func translated(ip netip.Addr) netip.Addr {
	if !ip.Is6() || ip.IsLoopback() || ip.IsUnspecified() || !slices.ContainsFunc(translators, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return ip
	}
	whole := ip.As16()
	return netip.AddrFrom4([4]byte(whole[12:]))
}

// Inside tells whether a name is one of the cluster's own services.
func Inside(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return false // refused by its address
	}
	return host == "kubernetes" || strings.HasPrefix(host, "kubernetes.default") ||
		slices.ContainsFunc([]string{".svc", ".cluster.local"}, func(suffix string) bool { return strings.HasSuffix(host, suffix) })
}

// Absolute is a name that no search list is asked for. The one name that is in no DNS stays as it is.
func Absolute(host string) string {
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" {
		return host
	}
	return strings.TrimSuffix(host, ".") + "."
}
