package halibut

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// chopped is a connection whose reads and writes come in pieces of random size.
type chopped struct {
	net.Conn
	mu sync.Mutex
	r  *mathrand.Rand
}

func (c *chopped) size(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return 1 + c.r.IntN(max(1, min(n, 3000)))
}

func (c *chopped) Read(p []byte) (int, error) { return c.Conn.Read(p[:c.size(len(p))]) }

func (c *chopped) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		n, err := c.Conn.Write(p[written : written+c.size(len(p)-written)])
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

func text(r *mathrand.Rand, n int, compressible bool) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789 äöü€\n"
	runes := []rune(letters)
	if compressible {
		runes = runes[:3]
	}
	var b strings.Builder
	for b.Len() < n {
		b.WriteRune(runes[r.IntN(len(runes))])
	}
	return b.String()
}

// TestRoundTrip sends messages whose sizes lie around every bound of the wire, several on each connection,
// in fragments, and with data streams in both directions.
func TestRoundTrip(t *testing.T) {
	l := start(t, nil)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := mathrand.New(mathrand.NewPCG(seed, 1))
	tap := &tapped{wrap: func(c net.Conn) net.Conn {
		return &chopped{Conn: c, r: mathrand.New(mathrand.NewPCG(seed, 2))}
	}}
	c := l.dial(t, func(config *ClientConfig) { config.DialContext = tap.dial })
	for _, around := range []int{0, 100, 8192, 16384, 65536, 200_000} {
		for range 4 {
			size := max(0, around-350+r.IntN(400))
			wait := TimeSpan(r.Int64N(int64(100*day))) / 100 * 100
			content := make([]byte, r.IntN(2*size+10))
			_, _ = rand.Read(content)
			sent := note{
				Text: text(r, size, r.IntN(2) == 0), Number: r.Int64(), Wait: &wait,
				Lines: []string{"", "a\x00b", text(r, 20, false)}, Content: streamOf(content),
			}
			var got note
			call(t, c, l.endpoint, "Echo", &got, sent)
			if returned := readAll(t, got.Content); !bytes.Equal(returned, content) {
				t.Fatalf("a stream of %d bytes came back with %d", len(content), len(returned))
			}
			got.Content.Discard()
			sent.Content, got.Content = nil, nil
			if diff := cmp.Diff(sent, got); diff != "" {
				t.Fatalf("size %d: %s", size, diff)
			}
		}
	}
	if n := tap.count(); n != 1 {
		t.Errorf("%d connections were made for calls one after the other, want 1", n)
	}
}

// TestLargeStreams sends streams that are spooled to files, and leaves no file behind.
func TestLargeStreams(t *testing.T) {
	spools := t.TempDir()
	l := start(t, func(c *ServerConfig) { c.SpoolDir = spools })
	mine := t.TempDir()
	c := l.dial(t, func(config *ClientConfig) { config.SpoolDir = mine })
	content := make([]byte, 3<<20+7)
	_, _ = rand.Read(content)
	var back *DataStream
	call(t, c, l.endpoint, "Mirror", &back, streamOf(content))
	if !bytes.Equal(readAll(t, back), content) {
		t.Error("the content came back changed")
	}
	back.Discard()
	var said string
	call(t, c, l.endpoint, "Digest", &said, "x", nil)
	if said != "nothing" {
		t.Errorf("null stream arrived as %q", said)
	}
	call(t, c, l.endpoint, "Mirror", &back, (*DataStream)(nil))
	if back != nil {
		t.Errorf("null stream came back as %v", back)
	}
	for _, folder := range []string{spools, mine} {
		if files, err := os.ReadDir(folder); err != nil || len(files) > 0 {
			t.Errorf("%d files remain in a spool folder (%v)", len(files), err)
		}
	}
}

// TestManyAtOnce makes calls from 500 goroutines.
func TestManyAtOnce(t *testing.T) {
	const callers = 500
	l := start(t, func(c *ServerConfig) {
		c.Limits = Limits{UnauthorisedPerAddress: 1000, Unauthorised: 1000, Handshake: time.Minute}
	})
	c := l.dial(t, func(config *ClientConfig) {
		config.ConnectTimeout, config.TLSTimeout, config.AnswerTimeout = time.Minute, time.Minute, time.Minute
	})
	errs := make(chan error, callers)
	for i := range callers {
		go func() {
			var got string
			want := fmt.Sprintf("caller %d", i)
			err := c.Call(t.Context(), l.endpoint, Call{Service: "ITest", Method: "Say", Params: []any{want}, Result: &got})
			if err == nil && got != want {
				err = fmt.Errorf("got %q, want %q", got, want)
			}
			errs <- err
		}()
	}
	for range callers {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
}

// TestErrors checks what a caller learns of each kind of error, and that the connection survives it.
func TestErrors(t *testing.T) {
	l := start(t, nil)
	tap := &tapped{}
	c := l.dial(t, func(config *ClientConfig) { config.DialContext = tap.dial })
	stream := streamOf([]byte("content"))
	for name, test := range map[string]struct {
		call      Call
		kind      ErrorKind
		retryable bool
	}{
		"unknown service":  {Call{Service: "INope", Method: "Say", Params: []any{note{Content: stream}}}, ServiceNotFound, false},
		"unknown method":   {Call{Service: "ITest", Method: "SayAsync", Params: []any{"x", stream}}, MethodNotFound, false},
		"too many":         {Call{Service: "ITest", Method: "Say", Params: []any{"x", "y"}}, AmbiguousMethod, false},
		"too few":          {Call{Service: "itest", Method: "say"}, AmbiguousMethod, false},
		"wrong scalar":     {Call{Service: "ITest", Method: "Say", Params: []any{int64(1)}}, AmbiguousMethod, false},
		"scalar for note":  {Call{Service: "ITest", Method: "Echo", Params: []any{"x"}}, AmbiguousMethod, false},
		"passing failure":  {Call{Service: "ITest", Method: "Fail", Params: []any{false}}, Unknown, true},
		"final failure":    {Call{Service: "ITest", Method: "Fail", Params: []any{true}}, ServiceInvocation, false},
		"panic":            {Call{Service: "ITest", Method: "Panic"}, ServiceInvocation, false},
		"string of a void": {Call{Service: "ITest", Method: "Fail", Params: []any{nil}}, Unknown, true},
	} {
		err := c.Call(t.Context(), l.endpoint, test.call)
		failure, ok := errors.AsType[*ServerError](err)
		if !ok {
			t.Errorf("%s: %v, want a ServerError", name, err)
			continue
		}
		if failure.Kind != test.kind || failure.Retryable() != test.retryable || failure.Details == "" {
			t.Errorf("%s: %#v, want kind %s", name, failure, test.kind)
		}
		if strings.Contains(failure.Message+failure.Details, "secret") {
			t.Errorf("%s: the panic's value reached the peer: %q", name, failure.Details)
		}
	}
	if n := tap.count(); n != 1 {
		t.Errorf("%d connections were needed, want 1", n)
	}
	err := c.Call(t.Context(), l.endpoint, Call{Service: "ITest", Method: "Echo", Params: []any{stranger{}}})
	if _, ok := errors.AsType[*TransferError](err); !ok {
		t.Errorf("a parameter of a foreign type: %v, want the connection closed", err)
	}
	call(t, c, l.endpoint, "Take", nil, note{})
}

// TestDeadConnection breaks the pooled connection: the next call does not notice, and the client tells.
func TestDeadConnection(t *testing.T) {
	l := start(t, nil)
	tap, told := &tapped{}, 0
	c := l.dial(t, func(config *ClientConfig) {
		config.DialContext = tap.dial
		config.Connected = func(ep Endpoint, resumed bool) {
			if told++; ep != l.endpoint || resumed {
				t.Errorf("told of %+v, resumed: %t", ep, resumed)
			}
		}
	})
	for want := 1; want <= 3; want++ {
		var got string
		call(t, c, l.endpoint, "Say", &got, "hello")
		if n := tap.count(); got != "hello" || n != want {
			t.Fatalf("got %q by %d connections, want %d", got, n, want)
		}
		tap.breakAll()
	}
	if _, err := c.Connect(t.Context(), l.endpoint); err != nil {
		t.Fatal(err)
	}
	for _, idle := range c.pool.idle[keyOf(l.endpoint)] {
		idle.since = time.Now().Add(-2 * freshFor)
	}
	tap.breakAll()
	call(t, c, l.endpoint, "Take", nil, note{})
	if told != 5 {
		t.Errorf("five connections were made, and %d were told of", told)
	}
}

// TestCancel cancels a call while the method works: the caller returns, and the method is told.
func TestCancel(t *testing.T) {
	l := start(t, nil)
	c := l.dial(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-l.hooks.waiting
		cancel()
	}()
	err := c.Call(ctx, l.endpoint, Call{Service: "ITest", Method: "Wait", Result: new(string)})
	if _, ok := errors.AsType[*TransferError](err); !ok || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled call: %v, want a TransferError of the cancellation", err)
	}
	select {
	case <-l.hooks.ended: //nolint:errcheck // that it ended is what counts
	case <-time.After(5 * time.Second):
		t.Error("the method was not told that its caller is gone")
	}
	err = c.Call(ctx, l.endpoint, Call{Service: "ITest", Method: "Take", Params: []any{note{}}})
	if failure, ok := errors.AsType[*ConnectError](err); !ok || !errors.Is(failure, context.Canceled) {
		t.Errorf("call with an ended context: %v, want a ConnectError of the cancellation", err)
	}
}

// TestResponseTimeout waits only so long for the first byte of a response.
func TestResponseTimeout(t *testing.T) {
	l := start(t, nil)
	c := l.dial(t, nil)
	err := c.Call(t.Context(), l.endpoint, Call{
		Service: "ITest", Method: "Wait", Result: new(string), ResponseTimeout: 30 * time.Millisecond,
	})
	if _, ok := errors.AsType[*TransferError](err); !ok || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("slow method: %v, want a TransferError for the deadline", err)
	}
}

// TestPoolExpires closes idle connections when they are stale, when asked, and at the end.
func TestPoolExpires(t *testing.T) {
	l := start(t, nil)
	open := func() int {
		l.server.mu.Lock()
		defer l.server.mu.Unlock()
		return len(l.server.sessions)
	}
	c := l.dial(t, func(config *ClientConfig) { config.IdleTimeout = 20 * time.Millisecond })
	call(t, c, l.endpoint, "Take", nil, note{})
	eventually(t, "the stale connection is closed", func() bool { return open() == 0 })
	for _, end := range []func(*Client){
		func(c *Client) { c.CloseIdle(l.endpoint) },
		func(c *Client) { c.Close() },
	} {
		c := l.dial(t, nil)
		call(t, c, l.endpoint, "Take", nil, note{})
		end(c)
		eventually(t, "idle connections are closed", func() bool { return open() == 0 })
	}
}
