package halibut

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// raw connects to a listener as a hand-made client; without a certificate where certificate is nil.
func (l *listener) raw(t *testing.T, certificate *tls.Certificate) *tls.Conn {
	t.Helper()
	config := &tls.Config{InsecureSkipVerify: true}
	if certificate != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	}
	c, err := tls.Dial("tcp", l.endpoint.Address, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

// ended reads to the end and fails if the peer stays silent instead of closing.
func ended(t *testing.T, what string, c net.Conn) (said string) {
	t.Helper()
	data, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s: the listener stays silent, want it to close", what)
	}
	return string(data)
}

func stored(document []byte) string {
	message, err := newCodec().deflate(document)
	if err != nil {
		panic(err)
	}
	return string(message)
}

const greeting = "MX\n\nMX-CLIENT 1.0\r\n\r\n"

// TestBadPeers sends what no client should, before and after authorisation: the listener closes each time.
func TestBadPeers(t *testing.T) {
	l := start(t, func(c *ServerConfig) { c.Limits.MaxRequest = 100_000 })
	other := identity(t, ECDSA)
	e, err := encodeRequest("x", NewGUID(), requestEndpoint{BaseURI: ptr("not a URI")}, Call{Service: "ITest", Method: "Wait"})
	if err != nil {
		t.Fatal(err)
	}
	lying := compose([]member{{"Message", []member{
		{"$type", requestType}, {"service", "ITest"}, {"method", "Digest"},
		{"params", list{"x", []member{{"$type", dataStreamType}, {"id", NewGUID()}, {"length", int64(3)}}}},
	}}})
	const answer = "MX-SERVER 1.0\r\n\r\n"
	for name, test := range map[string]struct {
		certificate *tls.Certificate
		says        string
		want        string
	}{
		"no certificate":       {nil, greeting, ""},
		"stranger":             {&other, greeting, ""},
		"no MX":                {&l.client, "MX-CLIENT 1.0\r\n\r\n", ""},
		"MX and more":          {&l.client, "MXX\n\n", ""},
		"nothing":              {&l.client, "\n\n", ""},
		"one letter":           {&l.client, "M\n\n", ""},
		"endless initial":      {&l.client, "MX" + strings.Repeat("x", maxInitial), ""},
		"subscriber":           {&l.client, "MX\n\nMX-SUBSCRIBER 1.0 poll://x/\r\n\r\n", ""},
		"nonsense identity":    {&l.client, "MX\n\nMX-NONSENSE 1.0\r\n\r\n", ""},
		"LF alone":             {&l.client, "MX\n\nMX-CLIENT 1.0\n\n", ""},
		"CR alone":             {&l.client, "MX\n\nMX-CLIENT 1.0\rx", ""},
		"long control line":    {&l.client, "MX\n\nMX-CLIENT " + strings.Repeat("1", 100), ""},
		"text after identity":  {&l.client, "MX\n\nMX-CLIENT 1.0\r\nmore\r\n", ""},
		"browser":              {nil, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.0 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 18\r\n\r\n<html>hello</html>\r\n\r\n"},
		"not deflate":          {&l.client, greeting + "\xff\xff\xff\xff\xff", answer},
		"deflated garbage":     {&l.client, greeting + stored([]byte("garbage, garbage, garbage")), answer},
		"null message":         {&l.client, greeting + stored(compose([]member{{"Message", nil}})), answer},
		"wrong type":           {&l.client, greeting + stored(compose([]member{{"Message", []member{{"$type", requestType + ", Version=1"}}}})), answer},
		"bad endpoint":         {&l.client, greeting + stored(e.out), answer},
		"too large":            {&l.client, greeting + stored(compose([]member{{"Message", strings.Repeat("x", 100_001)}})), answer},
		"declared too large":   {&l.client, greeting + "\x01\x04\x00\xfb\xff\x00\x00\x00\x70", answer},
		"empty blocks":         {&l.client, greeting + strings.Repeat("\x00\x00\x00\xff\xff", 50_000), answer},
		"unknown stream":       {&l.client, greeting + stored(lying) + strings.Repeat("x", 64), answer},
		"stream cut off":       {&l.client, greeting + stored(lying), answer},
		"wrong control":        {&l.client, greeting + saying("hi") + "STOP\r\n", answer + said1("hi")},
		"NEXT with LF":         {&l.client, greeting + saying("hi") + "NEXT\n", answer + said1("hi")},
		"END":                  {&l.client, greeting + saying("hi") + "END\r\n", answer + said1("hi")},
		"empty lines and NEXT": {&l.client, greeting + saying("hi") + "\r\n\r\nNEXT\r\n" + saying("ho") + "END\r\n", answer + said1("hi") + "PROCEED\r\n" + said1("ho")},
	} {
		t.Run(name, func(t *testing.T) {
			c := l.raw(t, test.certificate)
			go func() {
				_, _ = io.WriteString(c, test.says)
				if name == "stream cut off" {
					_ = c.CloseWrite()
				}
			}()
			if got := ended(t, name, c); got != test.want && !strings.HasPrefix(test.want, got) || got == "" && test.want != "" && !raced(test.want, answer) {
				t.Errorf("the listener said %q, want %q", got, test.want)
			}
		})
	}
}

// raced tells that a connection which is closed with input unread may lose what was said before.
func raced(want, answer string) bool { return want == answer }

// saying is a request to say something, and said1 is its answer.
func saying(s string) string {
	return stored(compose([]member{{"Message", []member{
		{"$type", requestType}, {"id", "x"}, {"service", "ITest"}, {"method", "Say"}, {"params", list{s}},
	}}}))
}

func said1(s string) string {
	e, err := encodeResponse(ptr("x"), s, nil)
	if err != nil {
		panic(err)
	}
	return stored(e.out)
}

// TestHandshakeDeadline closes who is silent before authorisation, in TLS and after it.
func TestHandshakeDeadline(t *testing.T) {
	l := start(t, func(c *ServerConfig) { c.Limits.Handshake = time.Second })
	plain, err := net.Dial("tcp", l.endpoint.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	_ = plain.SetDeadline(time.Now().Add(10 * time.Second))
	ended(t, "silent before TLS", plain)
	ended(t, "silent after TLS", l.raw(t, &l.client))
	c := l.raw(t, &l.client)
	_, _ = io.WriteString(c, "MX\n\n")
	ended(t, "silent after MX", c)
}

// TestDrippingPeersAreClosed has peers say a byte now and then, so that no read ever takes long: what counts before
// authorisation is the time in all.
func TestDrippingPeersAreClosed(t *testing.T) {
	const patience = 1500 * time.Millisecond
	l := start(t, func(c *ServerConfig) { c.Limits.Handshake = patience })
	for name, drips := range map[string]struct {
		secured bool
		first   string
		each    string
	}{
		"in the handshake":                 {false, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "\x00"},
		"in the initial request":           {true, "", "M"},
		"in a browser's request":           {true, "GET / HTTP/1.1\r\n", "x"},
		"in the identity, after MX":        {true, "MX\n\n", "M"},
		"in empty lines before identity":   {true, "MX\n\n", "\r\n"},
		"carriage returns, which are free": {true, "MX", "\r"},
	} {
		t.Run(name, func(t *testing.T) {
			var c net.Conn
			if drips.secured {
				c = l.raw(t, &l.client)
			} else {
				plain, err := net.Dial("tcp", l.endpoint.Address)
				if err != nil {
					t.Fatal(err)
				}
				defer plain.Close()
				_ = plain.SetDeadline(time.Now().Add(10 * time.Second))
				c = plain
			}
			go func() {
				_, err := io.WriteString(c, drips.first)
				for ; err == nil; time.Sleep(patience / 10) {
					_, err = io.WriteString(c, drips.each)
				}
			}()
			ended(t, name, c)
		})
	}
}

// TestUnauthorisedAreFew closes the oldest unauthorised connection when there are too many, and keeps the
// authorised ones. Who was let in lately has more of them.
func TestUnauthorisedAreFew(t *testing.T) {
	for name, known := range map[string]bool{"an address of strangers": false, "an address from which somebody was let in": true} {
		t.Run(name, func(t *testing.T) {
			l := start(t, func(c *ServerConfig) {
				c.Limits.UnauthorisedPerAddress, c.Limits.Unauthorised, c.Limits.UnauthorisedKnown = 3, 6, 5
			})
			c := l.dial(t, nil)
			most := 3
			if known {
				most = 5
				call(t, c, l.endpoint, "Take", nil, note{})
			}
			var open []*tls.Conn
			for range most + 2 {
				open = append(open, l.raw(t, nil))
			}
			for i, conn := range open[:2] {
				ended(t, fmt.Sprintf("connection %d", i), conn)
			}
			if known {
				call(t, c, l.endpoint, "Take", nil, note{})
			}
			for _, i := range []int{2, most + 1} {
				_, _ = io.WriteString(open[i], "GET / HTTP/1.0\r\n\r\n")
				if got := ended(t, "one of the newest", open[i]); !strings.HasPrefix(got, "HTTP/1.0 200") {
					t.Errorf("connection %d heard %q, want the page", i, got)
				}
			}
		})
	}
}

// TestAPeerHasItsShare closes what a peer left idle longest when it wants more than its share, and never what is in use
// or another's. Those that are all in use may be more, up to half of what all have.
func TestAPeerHasItsShare(t *testing.T) {
	refused := make(chan error, 16)
	l := start(t, func(c *ServerConfig) {
		c.Limits.AuthorisedPerPeer, c.Limits.Authorised = 3, 10
		c.Authorise = func(Peer) error { return nil }
		c.Refused = func(_ Peer, err error) { refused <- err }
	})
	hear := func(c *tls.Conn, want string) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
			t.Fatalf("heard %q, want %q: %v", got, want, err)
		}
	}
	greet := func(certificate *tls.Certificate) *tls.Conn {
		t.Helper()
		c := l.raw(t, certificate)
		_, _ = io.WriteString(c, greeting)
		hear(c, "MX-SERVER 1.0\r\n\r\n")
		return c
	}
	other := identity(t, ECDSA)
	stranger := greet(&other)
	var open []*tls.Conn
	for range 5 {
		c := greet(&l.client)
		_, _ = io.WriteString(c, saying("hi"))
		hear(c, said1("hi"))
		open = append(open, c)
	}
	ended(t, "the oldest", open[0])
	ended(t, "the next", open[1])
	slow := greet(&l.client) // what it asks is still under way
	c := l.dial(t, nil)
	var calls sync.WaitGroup
	for range 3 {
		calls.Go(func() {
			if err := c.Call(t.Context(), l.endpoint, Call{Service: "ITest", Method: "Wait", Result: new(string)}); err != nil {
				t.Errorf("a call above the share, as long as others have room: %v", err)
			}
		})
		<-l.hooks.waiting
	}
	for i, conn := range open[2:] {
		ended(t, fmt.Sprintf("idle connection %d, beside calls", i), conn)
	}
	if _, err := c.Connect(t.Context(), l.endpoint); err == nil {
		t.Error("a peer may have more than half of all connections")
	}
	select {
	case err := <-refused:
		if !strings.Contains(err.Error(), "all of them in use") {
			t.Errorf("it was refused for %v", err)
		}
	default:
		t.Error("nobody was told")
	}
	for _, conn := range []*tls.Conn{slow, stranger, greet(&other)} {
		_, _ = io.WriteString(conn, saying("ho"))
		hear(conn, said1("ho"))
	}
	close(l.hooks.release)
	calls.Wait()
	call(t, c, l.endpoint, "Take", nil, note{})
}

func TestGate(t *testing.T) {
	address := func(s string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(s), Port: 1} }
	if a, b := Source(address("2001:db8::1")), Source(address("2001:db8::ffff:1")); a != b {
		t.Errorf("%s and %s, want one source for a /64", a, b)
	}
	if a, b := Source(address("::ffff:10.0.0.1")), Source(address("10.0.0.1")); a != b || a == Source(address("10.0.0.2")) {
		t.Errorf("%s and %s", a, b)
	}
	g := newGate(4, 3, 4)
	now := time.Now()
	enter := func(s string) (c, victim *session) {
		c = &session{source: s}
		return c, g.enter(c, now)
	}
	a1, _ := enter("a")
	b1, _ := enter("b")
	b2, _ := enter("b")
	_, v := enter("c")
	if v != nil {
		t.Fatal("there was room")
	}
	if _, v = enter("d"); v != b1 {
		t.Errorf("when full, the oldest of the source with most must go")
	}
	g.leave(b1)
	g.leave(a1)
	if g.leave(b2); g.strangers != 2 || len(g.bySource) != 2 {
		t.Errorf("%d remain of %d sources, want 2 of 2", g.strangers, len(g.bySource))
	}
}

// TestTrustIsAskedAgain withdraws trust between two requests, and of a connection that idles.
func TestTrustIsAskedAgain(t *testing.T) {
	var trusted atomic.Bool
	var refused atomic.Int32
	trusted.Store(true)
	l := start(t, func(c *ServerConfig) {
		c.Authorise = func(Peer) error {
			if !trusted.Load() {
				return errors.New("withdrawn")
			}
			return nil
		}
		c.Refused = func(Peer, error) { refused.Add(1) }
	})
	c := l.dial(t, nil)
	call(t, c, l.endpoint, "Take", nil, note{})
	idle := l.raw(t, &l.client)
	_, _ = io.WriteString(idle, greeting)
	_, _ = io.ReadFull(idle, make([]byte, 17))
	trusted.Store(false)
	err := c.Call(t.Context(), l.endpoint, Call{Service: "ITest", Method: "Take", Params: []any{note{}}})
	if failure, ok := errors.AsType[*ConnectError](err); !ok || failure.Stage != OperatorNotTrusted {
		t.Errorf("call after trust was withdrawn: %v", err)
	}
	if refused.Load() == 0 {
		t.Error("nobody was told of the refusal")
	}
	l.server.DropUntrusted()
	ended(t, "idle connection", idle)
}

// TestRefusedUploads drains what is refused, to a bound, and answers.
func TestRefusedUploads(t *testing.T) {
	spool := t.TempDir()
	var refuse atomic.Bool
	l := start(t, func(c *ServerConfig) {
		c.Limits.MaxRefused = 1 << 20
		c.SpoolDir = spool
		c.Admit = func(_ context.Context, a Arrival) (func(), error) {
			if refuse.Load() {
				return nil, fmt.Errorf("no room for %d bytes of %s", a.StreamBytes, a.Method)
			}
			return nil, nil
		}
	})
	tap := &tapped{}
	c := l.dial(t, func(config *ClientConfig) { config.DialContext = tap.dial })
	upload := func(n int) error {
		var got string
		return c.Call(t.Context(), l.endpoint, Call{
			Service: "ITest", Method: "Digest", Params: []any{"x", streamOf(make([]byte, n))}, Result: &got,
		})
	}
	refuse.Store(true)
	err := upload(1 << 20)
	if failure, ok := errors.AsType[*ServerError](err); !ok || failure.Message != "no room for 1048576 bytes of Digest" || !failure.Retryable() {
		t.Errorf("refused upload: %v", err)
	}
	if _, ok := errors.AsType[*TransferError](upload(1<<20 + 1)); !ok {
		t.Error("an upload above the bound must end the connection")
	}
	refuse.Store(false)
	if err := os.RemoveAll(spool); err != nil {
		t.Fatal(err)
	}
	before := tap.count()
	if failure, ok := errors.AsType[*ServerError](upload(900_000)); !ok || !failure.Retryable() {
		t.Errorf("upload without a spool folder: %v", failure)
	}
	if err := upload(1000); err != nil || tap.count() > before+1 {
		t.Errorf("small upload on the same connection: %v", err)
	}
}

// TestUnwantedStreams are judged by the arguments before they arrive, and refused by the method itself in its own form.
func TestUnwantedStreams(t *testing.T) {
	var called, released atomic.Int32
	l := start(t, func(c *ServerConfig) {
		c.Limits.MaxRefused, c.Limits.MaxUnwanted = 1<<20, 3<<20
		c.SpoolDir = filepath.Join(t.TempDir(), "missing") // so that nothing can be spooled
		c.Admit = func(ctx context.Context, a Arrival) (func(), error) {
			if p, ok := PeerFrom(ctx); !ok || p.Certificate == nil || a.Service != "IFiles" || a.Method != "Put" {
				return nil, fmt.Errorf("who and what? %+v %+v", p, a)
			}
			if content := a.Arguments[1].(*DataStream); content.Len() > 0 {
				if _, err := content.Open(); err == nil {
					return nil, errors.New("content that did not arrive can be read")
				}
			}
			if a.Arguments[0] == "closed" {
				return nil, fmt.Errorf("%w: it is closed", ErrUnwanted)
			}
			if a.Arguments[0] == "panic" {
				panic("secret")
			}
			return func() { released.Add(1) }, nil
		}
		c.Services = append(c.Services, Service{Name: "IFiles", Methods: []Method{
			Method2("Put", func(_ context.Context, path string, content *DataStream) (string, error) {
				called.Add(1)
				if path == "closed" {
					return "", FinalError{Err: errors.New("closed is refused")}
				}
				return digest(content)
			}),
		}})
	})
	c := l.dial(t, nil)
	put := func(path string, n int) error {
		return c.Call(t.Context(), l.endpoint, Call{Service: "ifiles", Method: "put", Params: []any{path, streamOf(make([]byte, n))}, Result: new(string)})
	}
	for _, size := range []int{1 << 20, 3 << 20} {
		err := put("closed", size)
		if failure, ok := errors.AsType[*ServerError](err); !ok || failure.Message != "closed is refused" || failure.Retryable() {
			t.Errorf("unwanted streams: %v", err)
		}
	}
	if _, ok := errors.AsType[*TransferError](put("closed", 3<<20+1)); !ok || called.Load() != 3 {
		t.Errorf("unwanted streams above the bound must end the connection, after the method was told: %d calls", called.Load())
	}
	if failure, ok := errors.AsType[*ServerError](put("panic", 1)); !ok || strings.Contains(failure.Error(), "secret") {
		t.Errorf("a panic while a call is admitted: %v", failure)
	}
	if released.Load() != 0 {
		t.Error("what was not admitted was released")
	}
	if err := put("open", 1000); err != nil {
		t.Errorf("after all that: %v", err)
	}
	eventually(t, "what was admitted is released", func() bool { return released.Load() == 1 })
}

// TestWhatIsLeftOfStreams falls as content is stored, and again as the method reads it, and not when it answers.
func TestWhatIsLeftOfStreams(t *testing.T) {
	const half, small = 400_000, 1000
	admitted := make(chan func() int64, 1)
	reached, goOn := make(chan string), make(chan bool)
	l := start(t, func(c *ServerConfig) {
		c.SpoolDir = t.TempDir()
		c.Admit = func(_ context.Context, a Arrival) (func(), error) {
			admitted <- a.Left
			return nil, nil
		}
		c.Services = append(c.Services, Service{Name: "IFiles", Methods: []Method{
			Method2("Put", func(_ context.Context, large, little *DataStream) (string, error) {
				reached <- "received"
				<-goOn
				for _, d := range []*DataStream{large, little, little} {
					if _, err := digest(d); err != nil {
						return "", err
					}
				}
				reached <- "read"
				<-goOn
				return "", nil
			}),
		}})
	})
	content, sender := io.Pipe()
	large := NewDataStream(2*half, func() (io.ReadCloser, error) { return content, nil })
	c := l.dial(t, nil)
	answer := make(chan error, 1)
	go func() {
		answer <- c.Call(t.Context(), l.endpoint, Call{Service: "IFiles", Method: "Put", Params: []any{large, streamOf(make([]byte, small))}, Result: new(string)})
	}()
	left := <-admitted
	if got := left(); got != 2*(2*half+small) {
		t.Errorf("at first %d bytes are left", got)
	}
	// What is sent at once may be less than what was written, by what the sender puts together.
	_, _ = sender.Write(make([]byte, half))
	eventually(t, "what has come is not left any more", func() bool { return left() < 2*(2*half+small)-half+copySize })
	_, _ = sender.Write(make([]byte, half))
	for _, stage := range []struct {
		name string
		want int64
	}{{"received", 2*half + small}, {"read", 0}} {
		if got := <-reached; got != stage.name || left() > stage.want || stage.want > 0 && left() != stage.want {
			t.Errorf("when all was %s, %d bytes are left, want %d", got, left(), stage.want)
		}
		goOn <- true
	}
	if err := <-answer; err != nil {
		t.Error(err)
	}
}

// TestShutdown lets a method end and answers it, closes the idle, and cancels at its deadline.
func TestShutdown(t *testing.T) {
	for _, patient := range []bool{true, false} {
		l := start(t, nil)
		c := l.dial(t, nil)
		result := make(chan error, 1)
		go func() {
			result <- c.Call(t.Context(), l.endpoint, Call{Service: "ITest", Method: "Wait", Result: new(string)})
		}()
		<-l.hooks.waiting
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if patient {
			cancel()
			ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
			go func() {
				eventually(t, "the server closes", l.server.isClosing)
				close(l.hooks.release)
			}()
		}
		err := l.server.Shutdown(ctx)
		cancel()
		if answer := <-result; patient && (err != nil || answer != nil) {
			t.Errorf("patient shutdown: %v, the call %v", err, answer)
		} else if !patient && (!errors.Is(err, context.DeadlineExceeded) || answer == nil) {
			t.Errorf("shutdown at its deadline: %v, the call %v", err, answer)
		}
	}
}
