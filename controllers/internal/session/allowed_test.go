package session

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/controllers/internal/addresses"
)

// What is told of an address that is refused is the same whatever is there.
func TestOnlyWhatIsAllowedIsDialled(t *testing.T) {
	var dialled []string
	away := errors.New("nobody listens")
	names := map[string][]netip.Addr{
		"rebound.example.com.": {netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("169.254.169.254")},
		"mixed.example.com.":   {netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.0.0.9")},
	}
	resolver := &addresses.Resolver{Logger: slog.New(slog.DiscardHandler), Lookup: func(_ context.Context, _, host string) ([]netip.Addr, error) {
		if found := names[host]; found != nil {
			return found, nil
		}
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}}
	p := NewPool(Config{Allow: resolver.Check, Resolve: resolver.Resolve, DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
		dialled = append(dialled, address)
		return nil, away
	}})
	t.Cleanup(p.Close)
	for address, want := range map[string]string{
		"127.0.0.1:22": "", "[::1]:22": "", "[::ffff:127.0.0.1]:22": "", "rebound.example.com:22": "", "db.shop.svc.cluster.local:22": "",
		"mixed.example.com:22": "10.0.0.9:22", "10.0.0.7:22": "10.0.0.7:22",
	} {
		dialled = nil
		_, err := p.dial(t.Context(), "tcp", address)
		if got := strings.Join(dialled, " "); got != want {
			t.Errorf("%s: dialled %q, want %q", address, got, want)
		}
		switch {
		case want == "" && (err == nil || err.Error() != halibut.ErrAddressRefused.Error()):
			t.Errorf("%s: what is told of it is %q", address, err)
		case want != "" && !errors.Is(err, away):
			t.Errorf("%s: %v", address, err)
		}
	}
}
