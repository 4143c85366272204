package halibut

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// remembering is a Sessions for a test.
type remembering struct {
	mu    sync.Mutex
	known map[Endpoint]TLSSession
}

func (r *remembering) Load(ep Endpoint) (TLSSession, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, found := r.known[ep]
	return s, found
}

func (r *remembering) Store(ep Endpoint, s TLSSession) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[ep] = s
}

func (r *remembering) Delete(ep Endpoint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, ep)
}

// resuming is a client that resumes sessions, and counts its connections.
type resuming struct {
	*Client
	*remembering
	resumed, whole atomic.Int32
}

func (l *listener) resuming(t *testing.T) *resuming {
	t.Helper()
	r := &resuming{remembering: &remembering{known: map[Endpoint]TLSSession{}}}
	r.Client = l.dial(t, func(c *ClientConfig) {
		c.Sessions = r.remembering
		c.Connected = func(_ Endpoint, resumed bool) {
			if resumed {
				r.resumed.Add(1)
				return
			}
			r.whole.Add(1)
		}
	})
	return r
}

// say makes a call on a new connection, and compares how many connections there were.
func (r *resuming) say(t *testing.T, l *listener, resumed, whole int32) {
	t.Helper()
	var got string
	call(t, r.Client, l.endpoint, "Say", &got, "hello")
	r.CloseIdle(l.endpoint)
	if r.resumed.Load() != resumed || r.whole.Load() != whole {
		t.Fatalf("%d connections resumed a session and %d did not, want %d and %d", r.resumed.Load(), r.whole.Load(), resumed, whole)
	}
}

func TestASessionIsResumedByItsPeerOnly(t *testing.T) {
	var trusted atomic.Bool
	var who sync.Map
	trusted.Store(true)
	l := start(t, func(c *ServerConfig) {
		ask := c.Authorise
		c.Authorise = func(p Peer) error {
			who.Store(SHA256Thumbprint(p.Certificate), true)
			if !trusted.Load() {
				return errors.New("withdrawn")
			}
			return ask(p)
		}
	})
	c := l.resuming(t)
	c.say(t, l, 0, 1)
	c.say(t, l, 1, 1)
	c.say(t, l, 2, 1)
	who.Range(func(seen, _ any) bool {
		if seen != SHA256Thumbprint(leaf(t, l.client)) {
			t.Errorf("the server saw the peer as %s", seen)
		}
		return true
	})
	trusted.Store(false)
	err := c.Call(t.Context(), l.endpoint, Call{Service: "ITest", Method: "Take", Params: []any{note{}}})
	if failure, ok := errors.AsType[*ConnectError](err); !ok || failure.Stage != OperatorNotTrusted {
		t.Errorf("call with a resumed session after trust was withdrawn: %v", err)
	}
}

// TestAnotherProcessOfAListener restarts a listener, and puts another with another certificate into its place.
func TestAnotherProcessOfAListener(t *testing.T) {
	first := identity(t, ECDSA)
	l := start(t, func(c *ServerConfig) { c.Certificate = first })
	c := l.resuming(t)
	c.say(t, l, 0, 1)
	again := start(t, func(c *ServerConfig) {
		c.Certificate, c.Authorise = first, func(Peer) error { return nil }
	})
	other := start(t, func(c *ServerConfig) { c.Authorise = func(Peer) error { return nil } })
	to := again.endpoint.Address
	c.config.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, to)
	}
	c.say(t, l, 0, 2)
	c.say(t, l, 1, 2)
	to = other.endpoint.Address
	err := c.Call(t.Context(), l.endpoint, Call{Service: "ITest", Method: "Take", Params: []any{note{}}})
	if failure, ok := errors.AsType[*ConnectError](err); !ok || failure.Stage != ThumbprintMismatch {
		t.Errorf("another listener, where a session was stored: %v", err)
	}
}

func TestSessionsOfOldTLSAreNotResumed(t *testing.T) {
	l := start(t, func(c *ServerConfig) { c.NewestTLS = tls.VersionTLS12 })
	c := l.resuming(t)
	c.say(t, l, 0, 1)
	c.say(t, l, 0, 2)
	if len(c.known) != 0 {
		t.Errorf("%d sessions were stored", len(c.known))
	}
}

// A listener may have none of the key exchanges that a resumed session needs.
func TestAListenerThatCannotResumeIsCalledAnew(t *testing.T) {
	certificate := identity(t, ECDSA)
	accept, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate},
		ClientAuth: tls.RequireAnyClientCert, CurvePreferences: []tls.CurveID{tls.X25519}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = accept.Close() })
	go func() {
		for {
			raw, err := accept.Accept()
			if err != nil {
				return
			}
			go greet(raw)
		}
	}()
	l := &listener{client: identity(t, ECDSA)}
	c, ep := l.resuming(t), Endpoint{Address: accept.Addr().String(), Thumbprint: thumbprintOf(t, certificate)}
	for n := range int32(2) {
		if _, err := c.Connect(t.Context(), ep); err != nil || c.whole.Load() != n+1 {
			t.Fatalf("connection %d: %v, %d without a session", n, err, c.whole.Load())
		}
		if len(c.known) != 1 {
			t.Fatalf("%d sessions are stored", len(c.known))
		}
	}
}

// greet answers a caller as a Halibut listener does, and waits for its end.
func greet(raw net.Conn) {
	defer raw.Close()
	line := make([]byte, len(initialMX)+2)
	if _, err := io.ReadFull(raw, line); err != nil {
		return
	}
	if _, err := io.WriteString(raw, lineServer+version+crlf+crlf); err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, raw)
}

func leaf(t *testing.T, c tls.Certificate) *x509.Certificate {
	t.Helper()
	parsed, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}
