package addresses

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/mantledeploy/mantle/api/halibut"
)

func TestRefused(t *testing.T) {
	deny := []netip.Addr{netip.MustParseAddr("10.96.0.1")}
	for text, want := range map[string]Class{
		"10.0.0.7": "", "192.168.1.1": "", "2001:db8::7": "", "::ffff:10.0.0.7": "",
		"127.0.0.1": Loopback, "127.9.9.9": Loopback, "::1": Loopback, "0.0.0.0": Loopback, "::": Loopback, "::ffff:127.0.0.1": Loopback,
		"64:ff9b::7f00:1": Loopback, "::7f00:1": Loopback, "64:ff9b::a9fe:a9fe": LinkLocal, "64:ff9b::a00:7": "",
		"169.254.169.254": LinkLocal, "fe80::1": LinkLocal, "fe80::1%eth0": LinkLocal, "224.0.0.1": LinkLocal, "ff02::1": LinkLocal,
		"10.96.0.1": APIServer, "::ffff:10.96.0.1": APIServer,
	} {
		if got := (Rules{Deny: deny}).Refused(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	allow := Rules{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.96.0.0/16")}, Deny: deny}
	for text, want := range map[string]Class{"127.0.0.1": "", "::ffff:127.0.0.1": "", "10.96.0.1": "", "::1": Loopback, "169.254.1.1": LinkLocal} {
		if got := allow.Refused(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s although some are allowed: %q, want %q", text, got, want)
		}
	}
}

// names are a DNS that completes nothing.
type names map[string][]netip.Addr

func (n names) lookup(_ context.Context, _, host string) ([]netip.Addr, error) {
	if found := n[host]; found != nil {
		return slices.Clone(found), nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func resolver(allow ...string) *Resolver {
	var rules Rules
	for _, text := range allow {
		rules.Allow = append(rules.Allow, netip.MustParsePrefix(text))
	}
	to := func(texts ...string) (list []netip.Addr) {
		for _, text := range texts {
			list = append(list, netip.MustParseAddr(text))
		}
		return list
	}
	return &Resolver{Rules: rules, Logger: slog.New(slog.DiscardHandler), Search: searchList("nameserver 10.96.0.10\nsearch mantle.svc.cluster.local svc.cluster.local cluster.local corp.example\n"), Lookup: names{
		"web-1.corp.example.": to("10.0.0.7"), "web-2.example.com.": to("10.0.0.8"), "db.shop.svc.cluster.local.": to("10.96.7.7"),
		"mixed.example.com.": to("127.0.0.1", "10.0.0.9"), "rebound.example.com.": to("127.0.0.1", "169.254.169.254"),
	}.lookup}
}

func TestResolve(t *testing.T) {
	for _, c := range []struct {
		host, allow, want string
		refused, unknown  bool
	}{
		{host: "web-2.example.com", want: "10.0.0.8"},
		{host: "web-1", want: "10.0.0.7"},
		{host: "web-1", allow: "127.0.0.0/8", want: "10.0.0.7"},
		{host: "web-1.", unknown: true},
		{host: "nowhere", unknown: true},
		{host: "db.shop", unknown: true},
		{host: "db.shop", allow: "10.96.0.0/16", want: "10.96.7.7"},
		{host: "db.shop.svc.cluster.local", refused: true},
		{host: "DB.shop.svc.cluster.local.", refused: true},
		{host: "no-such.shop.svc", allow: "127.0.0.0/8", refused: true},
		{host: "db.shop.svc.cluster.local", allow: "127.0.0.0/8", refused: true},
		{host: "db.shop.svc.cluster.local", allow: "10.96.0.0/16", want: "10.96.7.7"},
		{host: "kubernetes", refused: true},
	} {
		var allow []string
		if c.allow != "" {
			allow = append(allow, c.allow)
		}
		found, err := resolver(allow...).Resolve(t.Context(), "ip", c.host)
		var unknown *net.DNSError
		if errors.Is(err, halibut.ErrAddressRefused) != c.refused || errors.As(err, &unknown) != c.unknown || c.want != "" && (len(found) != 1 || found[0].String() != c.want) {
			t.Errorf("%s, %q allowed: %v, %v", c.host, c.allow, found, err)
		}
	}
}
