package session_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// rules refuses some addresses, and notes which were asked for and which were dialled.
type rules struct {
	mu             sync.Mutex
	refused        map[string]bool
	asked, dialled []string
	resolved       int
}

func (r *rules) allow(a netip.AddrPort) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, a.String())
	if r.refused[a.Addr().String()] {
		return errors.New("inside the cluster")
	}
	return nil
}

func (r *rules) dial(ctx context.Context, network, address string) (net.Conn, error) {
	r.mu.Lock()
	r.dialled = append(r.dialled, address)
	r.mu.Unlock()
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// names answers with other addresses at each question, as a name server of a tenant may.
func (r *rules) names(answers ...[]netip.Addr) func(context.Context, string, string) ([]netip.Addr, error) {
	return func(context.Context, string, string) ([]netip.Addr, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.resolved++
		return answers[min(r.resolved, len(answers))-1], nil
	}
}

func addresses(texts ...string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

// A scanner learns nothing from addresses that are refused: not whether something listens there, nor why.
func TestRefusedAddressesAreNotConnectedTo(t *testing.T) {
	m := newMachine(t)
	host, port, err := net.SplitHostPort(m.Address)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for name, tt := range map[string]struct {
		host    string
		answers []netip.Addr
	}{
		"an address where a machine listens": {host: host},
		"an address where nobody listens":    {host: "127.99.0.1"},
		"a mapped address":                   {host: "::ffff:127.99.0.1"},
		"a name":                             {host: "web.example", answers: addresses("127.99.0.1", "::1")},
	} {
		r := &rules{refused: map[string]bool{host: true, "127.99.0.1": true, "::1": true}}
		p := newPool(t, session.Config{Allow: r.allow, DialContext: r.dial, Resolve: r.names(tt.answers)})
		to := m.Machine
		to.Address = net.JoinHostPort(tt.host, port)
		_, err := p.Probe(t.Context(), to)
		var connect *halibut.ConnectError
		if !errors.As(err, &connect) || connect.Stage != "AddressRefused" || connect.Presented != nil || len(r.dialled) != 0 {
			t.Errorf("%s: %v, dialled %q", name, err, r.dialled)
			continue
		}
		if text := connect.Err.Error(); !slices.Contains(told, text) {
			told = append(told, text)
		}
	}
	if len(told) != 1 {
		t.Errorf("refusals differ: %q", told)
	}
}

// A name server that answers another address after the check does not get the operator to connect to it.
func TestTheConnectionGoesToTheAddressThatWasChecked(t *testing.T) {
	m := newMachine(t)
	host, port, err := net.SplitHostPort(m.Address)
	if err != nil {
		t.Fatal(err)
	}
	r := &rules{refused: map[string]bool{"10.0.0.1": true}}
	p := newPool(t, session.Config{Allow: r.allow, DialContext: r.dial, Resolve: r.names(addresses("10.0.0.1", host), addresses("10.0.0.1"))})
	to := m.Machine
	to.Address = net.JoinHostPort("web.example", port)
	if _, err := p.Probe(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	if want := m.Address; r.resolved != 1 || !slices.Equal(r.dialled, []string{want}) || len(r.asked) != 2 {
		t.Errorf("resolved %d times, asked for %q, dialled %q", r.resolved, r.asked, r.dialled)
	}
}

// One namespace whose machines swallow connections leaves half of the dials to the others.
func TestDialsAreFairByNamespace(t *testing.T) {
	m := newMachine(t)
	swallowed := make(chan struct{}, 100)
	p := newPool(t, session.Config{MaxDials: 4, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == m.Address {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
		swallowed <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	for i := range 20 {
		away := m.Machine
		away.Namespace, away.Address, away.ConnectTimeout = "hostile", fmt.Sprintf("10.0.0.1:%d", i+1), time.Minute
		work.Go(func() { _, _ = p.Probe(ctx, away) })
	}
	<-swallowed
	<-swallowed
	before := time.Now()
	if _, err := p.Probe(t.Context(), m.Machine); err != nil || time.Since(before) > 10*time.Second {
		t.Errorf("%v after %s", err, time.Since(before))
	}
	if n := len(swallowed); n != 0 {
		t.Errorf("%d more of one namespace were dialled at once", n)
	}
	cancel()
	work.Wait()
}
