package halibut

import (
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// slowKey takes its time to sign, as an RSA key on a small machine.
type slowKey struct {
	crypto.Signer
	signed *atomic.Int64
}

func (s slowKey) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.signed.Add(1)
	time.Sleep(5 * time.Millisecond)
	return s.Signer.Sign(rand, digest, opts)
}

// firstFlight is what a client says first.
func firstFlight(t *testing.T) []byte {
	t.Helper()
	a, b := net.Pipe()
	defer b.Close()
	go func() { _ = tls.Client(a, &tls.Config{InsecureSkipVerify: true}).Handshake() }()
	hello := make([]byte, 16<<10)
	n, err := b.Read(hello)
	if err != nil {
		t.Fatal(err)
	}
	return hello[:n]
}

// TestStrangersDoNotQueueForSignatures has strangers come far faster than a slow key can sign for them: the listener holds as
// many as it may and no more, and an operator that was never there gets in all the same.
func TestStrangersDoNotQueueForSignatures(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it takes many addresses on loopback")
	}
	const unauthorised, flooders = 64, 8
	var signed atomic.Int64
	l := start(t, func(c *ServerConfig) {
		c.Certificate = identity(t, RSA)
		c.Certificate.PrivateKey = slowKey{c.Certificate.PrivateKey.(crypto.Signer), &signed}
		c.Limits.Unauthorised, c.Limits.Computing = unauthorised, 2
	})
	hello := firstFlight(t)
	stop := make(chan struct{})
	var came atomic.Int64
	var all sync.WaitGroup
	for i := range flooders {
		all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				from := &net.TCPAddr{IP: net.IPv4(127, 0, byte(10+i), byte(1+n%250))}
				c, err := (&net.Dialer{LocalAddr: from, Timeout: 10 * time.Second}).Dial("tcp", l.endpoint.Address)
				if err != nil {
					continue
				}
				_, _ = c.Write(hello)
				if n%2 == 0 {
					_ = c.Close() // at once
				} else {
					time.AfterFunc(5*time.Second, func() { _ = c.Close() })
				}
				came.Add(1)
			}
		})
	}
	defer all.Wait()
	defer close(stop)
	most := 0
	for deadline := time.Now().Add(time.Minute); came.Load() < 5000 && time.Now().Before(deadline); {
		l.server.mu.Lock()
		most = max(most, len(l.server.sessions))
		l.server.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	if most > 3*unauthorised+2 {
		t.Errorf("%d connections were held at a time, of which %d may be", most, 3*unauthorised)
	}
	for n := range 5 {
		c := l.raw(t, &l.client)
		_, _ = io.WriteString(c, greeting)
		if _, err := io.ReadFull(c, make([]byte, len("MX-SERVER 1.0\r\n\r\n"))); err != nil {
			t.Errorf("the operator's connection %d: %v", n, err)
		}
		_ = c.Close()
	}
	t.Logf("%d came, %d signatures", came.Load(), signed.Load())
}

func TestKnownSourcesComeFirst(t *testing.T) {
	g := newGate(3, 3, 3)
	now := time.Now()
	enter := func(s string) (c, victim *session) {
		c = &session{source: s}
		if victim = g.enter(c, now); victim != nil && victim != c {
			g.ended(victim)
		}
		return c, victim
	}
	g.welcome("operator", now)
	for range 20 {
		enter("flood")
	}
	for range 50 { // who was let in may come more often than anybody
		g.visit("operator", now)
	}
	one, _ := enter("one")
	enter("two")
	if c, victim := enter("operator"); victim == c || victim == one {
		t.Error("an operator, or who came once, has to make room for strangers who come all the time")
	}
	if _, victim := enter("flood"); victim == nil || victim.source != "flood" {
		t.Errorf("one who comes all the time takes another's place")
	}
	now = now.Add(2 * welcomeFor)
	if r := g.rank("operator", now); r == 0 {
		t.Error("it is known for ever")
	}
	for i := range 2 * maxSources {
		g.visit(fmt.Sprint(i), now)
	}
	for i := range 2 * maxKnown {
		g.welcome(fmt.Sprint(i), now)
	}
	if len(g.came) > maxSources || len(g.known) > maxKnown {
		t.Errorf("%d and %d sources are remembered", len(g.came), len(g.known))
	}
	many := func(i int) string { return Source(&net.TCPAddr{IP: net.ParseIP(fmt.Sprintf("2001:db8:1:%x::1", i))}) }
	g = newGate(3, 3, 3)
	for i := range 200 {
		g.visit(many(i), now)
	}
	if g.rank(many(500), now) <= g.rank("203.0.113.5", now) {
		t.Error("each /64 of a /48 counts as somebody else")
	}
}

// TestAKnownSourceHasRoomOfItsOwn lets an operator that was never there before become known while strangers have taken all room.
func TestAKnownSourceHasRoomOfItsOwn(t *testing.T) {
	g := newGate(8, 2, 20)
	now := time.Now()
	enter := func(s string) (c, victim *session) {
		c = &session{source: s}
		if victim = g.enter(c, now); victim != nil && victim != c {
			g.ended(victim)
		}
		return c, victim
	}
	for i := range 40 {
		enter(fmt.Sprint("flood", i%4))
	}
	var operators []*session
	for range 5 { // more than its share, as all others came more often
		c, victim := enter("operator")
		if victim == c || slices.Contains(operators, victim) {
			t.Fatal("an operator is thrown out by strangers who come all the time")
		}
		operators = append(operators, c)
	}
	g.leave(operators[0])
	g.welcome("operator", now)
	for range 16 {
		if _, victim := enter("operator"); victim != nil {
			t.Fatalf("with room left, %q had to go for a known one", victim.source)
		}
	}
	for i := range 40 {
		if _, victim := enter(fmt.Sprint("flood", i%4)); victim != nil && victim.source == "operator" {
			t.Fatal("strangers take the room of who is known")
		}
	}
	if _, victim := enter("operator"); victim != operators[1] || g.guests != 20 || g.strangers != 8 {
		t.Errorf("%d known and %d strangers are held", g.guests, g.strangers)
	}
}

func TestAPlaceIsGivenBackWhenItsConnectionGoes(t *testing.T) {
	p := newPlaces(1)
	connect := func(rank int) (h *handshake, peer net.Conn) {
		a, b := net.Pipe()
		t.Cleanup(func() { _ = a.Close() })
		return &handshake{Conn: a, places: p, rank: rank, ctx: t.Context()}, b
	}
	first, _ := connect(5)
	if err := first.take(); err != nil {
		t.Fatal(err)
	}
	results := map[string]chan error{}
	wait := func(name string, rank int) (h *handshake, peer net.Conn) {
		h, peer = connect(rank)
		done := make(chan error, 1)
		results[name] = done
		queued := func() int {
			p.mu.Lock()
			defer p.mu.Unlock()
			return len(p.waiting)
		}
		before := queued()
		go func() { done <- h.take() }()
		for deadline := time.Now().Add(time.Minute); queued() == before && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		return h, peer
	}
	_, gone := wait("gone", 1)
	_, _ = wait("stranger", 9)
	operator, peer := wait("operator", 0)
	_ = gone.Close()
	if err := <-results["gone"]; !errors.Is(err, errGone) {
		t.Errorf("a peer that went away: %v", err)
	}
	go func() { _, _ = peer.Write([]byte("xy")) }()
	first.give()
	if err := <-results["operator"]; err != nil {
		t.Errorf("the operator: %v", err)
	}
	var got [2]byte
	if _, err := io.ReadFull(operator, got[:]); err != nil || string(got[:]) != "xy" {
		t.Errorf("what was read ahead: %q, %v", got, err)
	}
	if err := <-results["stranger"]; err != nil {
		t.Errorf("reading gives the place to the next: %v", err)
	}
}
