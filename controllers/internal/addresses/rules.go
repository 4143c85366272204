package addresses

import (
	"net/netip"
	"slices"
	"strings"
)

// Class is why an address is refused.
type Class string

// The classes of refused addresses.
const (
	Loopback  Class = "loopback"
	LinkLocal Class = "link-local"
	APIServer Class = "API server"
	InCluster Class = "inside the cluster"
)

// Rules decide which addresses may be dialled. The zero value has no exceptions.
type Rules struct {
	// Allow are ranges that are allowed although they would be refused.
	Allow []netip.Prefix
	// Deny are addresses that are refused in addition to the built-in ranges: the API server's.
	Deny []netip.Addr
}

// Allowed reports whether the address is in an explicitly allowed range.
func (r Rules) Allowed(ip netip.Addr) bool {
	return slices.ContainsFunc(r.Allow, func(p netip.Prefix) bool { return p.Contains(ip.Unmap()) })
}

// Refused returns why the address must not be dialled; empty if it may be.
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

// translators are the ranges whose addresses end with the IPv4 address that they represent.
var translators = []netip.Prefix{netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("::/96")} //nolint:gochecknoglobals // constants

// translated returns the IPv4 address that an IPv6 address represents, or else the address itself.
func translated(ip netip.Addr) netip.Addr {
	if !ip.Is6() || ip.IsLoopback() || ip.IsUnspecified() || !slices.ContainsFunc(translators, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return ip
	}
	whole := ip.As16()
	return netip.AddrFrom4([4]byte(whole[12:]))
}

// Inside reports whether a name is that of a service in the cluster.
func Inside(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return false // refused by its address
	}
	return host == "kubernetes" || strings.HasPrefix(host, "kubernetes.default") ||
		slices.ContainsFunc([]string{".svc", ".cluster.local"}, func(suffix string) bool { return strings.HasSuffix(host, suffix) })
}

// Absolute returns a name with a trailing dot, so that no search list is used for it. localhost is not changed.
func Absolute(host string) string {
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" {
		return host
	}
	return strings.TrimSuffix(host, ".") + "."
}
