package halibut

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// identity is a certificate for a test, as tls has it.
func identity(t testing.TB, key KeyType) tls.Certificate {
	t.Helper()
	cert, private, err := NewIdentity("Test", key)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, private)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func thumbprintOf(t testing.TB, c tls.Certificate) Thumbprint {
	t.Helper()
	parsed, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return SHA1Thumbprint(parsed)
}

// note is a typed parameter and result.
type note struct {
	Text    string      `bson:"Text"`
	Number  int64       `bson:"Number"`
	Wait    *TimeSpan   `bson:"Wait"`
	Lines   []string    `bson:"Lines"`
	Content *DataStream `bson:"Content"`
}

func (note) HalibutType() string { return "Test.Contracts.Note, Test.Contracts" }

// stranger is a type that no method of the test service takes.
type stranger struct {
	Text string `bson:"Text"`
}

func (stranger) HalibutType() string { return "Test.Contracts.Stranger, Test.Contracts" }

// hooks are what the test service does beside answering.
type hooks struct {
	waiting chan struct{}
	ended   chan error
	release chan struct{}
}

func newHooks() *hooks {
	return &hooks{waiting: make(chan struct{}, 16), ended: make(chan error, 16), release: make(chan struct{})}
}

// wait says that it waits, until released or until its context ends.
func (h *hooks) wait(ctx context.Context) (string, error) {
	h.waiting <- struct{}{}
	select {
	case <-h.release:
		return "released", nil
	case <-ctx.Done():
		h.ended <- ctx.Err()
		return "", ctx.Err()
	}
}

func digest(d *DataStream) (string, error) {
	r, err := d.Open()
	if err != nil {
		return "", err
	}
	defer r.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, r)
	return string(sum.Sum(nil)), err
}

// testService offers every kind of method.
func testService(h *hooks) Service {
	return Service{Name: "ITest", Methods: []Method{
		Method0("Wait", h.wait),
		Method0("Panic", func(context.Context) (string, error) { panic("secret") }),
		Method1("Echo", func(_ context.Context, n note) (note, error) { return n, nil }),
		Method1("Say", func(_ context.Context, s string) (string, error) { return s, nil }),
		Method1("Mirror", func(_ context.Context, d *DataStream) (*DataStream, error) { return d, nil }),
		Method2("Digest", func(_ context.Context, _ string, d *DataStream) (string, error) {
			if d == nil {
				return "nothing", nil
			}
			return digest(d)
		}),
		Method1("Fail", func(_ context.Context, final bool) (string, error) {
			if final {
				return "", FinalError{Err: errors.New("never")}
			}
			return "", errors.New("not now")
		}),
		Action1("Take", func(context.Context, note) error { return nil }),
	}}
}

// listener is a server for a test with all that calls need.
type listener struct {
	server   *Server
	hooks    *hooks
	endpoint Endpoint
	client   tls.Certificate
}

// start serves the test service on loopback to one client.
func start(t testing.TB, change func(*ServerConfig)) *listener {
	t.Helper()
	l := &listener{hooks: newHooks(), client: identity(t, ECDSA)}
	trusted := thumbprintOf(t, l.client)
	config := ServerConfig{
		Certificate: identity(t, ECDSA),
		Authorise: func(p Peer) error {
			if !trusted.Matches(p.Certificate) {
				return errors.New("a stranger")
			}
			return nil
		},
		Services: []Service{testService(l.hooks)},
		Page:     "<html>hello</html>",
		SpoolDir: t.TempDir(),
	}
	if change != nil {
		change(&config)
	}
	var err error
	if l.server, err = NewServer(config); err != nil {
		t.Fatal(err)
	}
	l.endpoint = Endpoint{Address: serve(t, l.server), Thumbprint: thumbprintOf(t, config.Certificate)}
	return l
}

func serve(t testing.TB, s *Server) (address string) {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(socket) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutting down: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	return socket.Addr().String()
}

// dial makes a client that the listener trusts, with short pauses.
func (l *listener) dial(t testing.TB, change func(*ClientConfig)) *Client {
	t.Helper()
	config := ClientConfig{Certificate: l.client, RetryInterval: time.Millisecond, SpoolDir: t.TempDir()}
	if change != nil {
		change(&config)
	}
	c := NewClient(config)
	t.Cleanup(c.Close)
	return c
}

// call calls the test service and fails the test on an error.
func call(t testing.TB, c *Client, ep Endpoint, method string, result any, params ...any) {
	t.Helper()
	err := c.Call(t.Context(), ep, Call{Service: "ITest", Method: method, Params: params, Result: result})
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
}

func streamOf(content []byte) *DataStream {
	return NewDataStream(int64(len(content)), func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	})
}

func readAll(t testing.TB, d *DataStream) []byte {
	t.Helper()
	r, err := d.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// eventually polls until ok, for at most half a minute.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

// tapped counts connections and lets a test break or fragment them.
type tapped struct {
	mu    sync.Mutex
	conns []net.Conn
	wrap  func(net.Conn) net.Conn
}

func (d *tapped) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns = append(d.conns, c)
	if d.wrap != nil {
		return d.wrap(c), nil
	}
	return c, nil
}

func (d *tapped) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.conns)
}

// breakAll closes every connection under its owner.
func (d *tapped) breakAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conns {
		_ = c.Close()
	}
}
