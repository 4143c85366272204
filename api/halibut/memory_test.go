package halibut

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// TestLargeRequestsShareMemory has a peer hold back the ends of many large requests: it has its part of the memory and no more,
// small requests of its own are answered, and so are large ones of others.
func TestLargeRequestsShareMemory(t *testing.T) {
	const size = 1 << 20
	l := start(t, func(c *ServerConfig) {
		c.Authorise = func(Peer) error { return nil }
		c.Limits.MaxRequest, c.Limits.Memory, c.Limits.MemoryPerPeer = size, 8*size, 4*size
		c.Limits.AuthorisedPerPeer = 64
	})
	large := stored(compose([]member{{"Message", []member{
		{"$type", requestType}, {"id", "x"}, {"service", "ITest"}, {"method", "Say"}, {"params", list{strings.Repeat("x", size-1000)}},
	}}}))
	var held []*tls.Conn
	for range 20 {
		c := l.raw(t, &l.client)
		_, _ = io.WriteString(c, greeting+large[:len(large)-10])
		held = append(held, c)
	}
	free := func() int64 {
		l.server.memory.mu.Lock()
		defer l.server.memory.mu.Unlock()
		return l.server.memory.free
	}
	eventually(t, "the peer has its part", func() bool { return free() < 5*size })
	answered := func(what string, certificate *tls.Certificate, request string) {
		t.Helper()
		c := l.raw(t, certificate)
		_, _ = io.WriteString(c, greeting+request+"END\r\n")
		if said := ended(t, what, c); len(said) < len("MX-SERVER 1.0\r\n\r\n")+10 {
			t.Errorf("%s is not answered: %q", what, said)
		}
	}
	answered("a small request", &l.client, saying("hi"))
	other := identity(t, ECDSA)
	answered("a large request of another peer", &other, large)
	if free() < 4*size {
		t.Errorf("only %d bytes are left", free())
	}
	for _, c := range held {
		_ = c.Close()
	}
	eventually(t, "all is given back", func() bool { return free() == 8*size })
	answered("a large request", &l.client, large)
}

// TestAnAnswerHasADeadline reads an answer a little at a time, so that no write ever takes long: what counts is the time in all.
func TestAnAnswerHasADeadline(t *testing.T) {
	noise := make([]byte, 8<<20)
	_, _ = rand.Read(noise)
	text := hex.EncodeToString(noise)
	l := start(t, func(c *ServerConfig) {
		c.Limits.IO, c.Limits.SlowestPeer = 2*time.Second, 1<<30
		c.Services = append(c.Services, Service{Name: "ILarge", Methods: []Method{
			Method0("Get", func(context.Context) (string, error) { return text, nil }),
		}})
	})
	c := l.raw(t, &l.client)
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	_, _ = io.WriteString(c, greeting+stored(compose([]member{{"Message", []member{
		{"$type", requestType}, {"id", "x"}, {"service", "ILarge"}, {"method", "Get"}, {"params", list{}},
	}}})))
	chunk := make([]byte, 16<<10)
	for got := 0; ; time.Sleep(100 * time.Millisecond) {
		n, err := c.Read(chunk)
		got += n
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			t.Fatalf("after a minute and %d bytes the answer is still under way", got)
		case err != nil && got < len(noise)/2:
			return
		case err != nil:
			t.Fatalf("%d bytes came, and then %v", got, err)
		}
	}
}

// TestAPanicEndsOneConnection has something panic that is no method.
func TestAPanicEndsOneConnection(t *testing.T) {
	bad := identity(t, ECDSA)
	l := start(t, func(c *ServerConfig) {
		trusted := c.Authorise
		c.Authorise = func(p Peer) error {
			if string(p.Certificate.Raw) == string(bad.Certificate[0]) {
				panic("what nobody thought of")
			}
			return trusted(p)
		}
	})
	c := l.raw(t, &bad)
	_, _ = io.WriteString(c, greeting)
	ended(t, "the connection that panicked", c)
	call(t, l.dial(t, nil), l.endpoint, "Take", nil, note{})
	eventually(t, "it is counted no longer", func() bool {
		l.server.mu.Lock()
		defer l.server.mu.Unlock()
		return l.server.gate.strangers+l.server.gate.guests == 0
	})
}
