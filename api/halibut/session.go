package halibut

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"strings"
	"time"
)

// session is one connection of a Server.
type session struct {
	server *Server
	raw    net.Conn
	source string
	// rank is lower for those whose handshakes come first; see gate.
	rank int
	// guest tells of one from a source where somebody was authorised lately; see gate. The server's lock guards it.
	guest bool
	// patience is how long its handshake may take.
	patience time.Duration
	// ctx ends when the connection is closed from this side.
	ctx    context.Context //nolint:containedctx // it is the session's own
	cancel context.CancelFunc

	// The server's lock guards these. peer and who, its certificate's thumbprint, are not changed after authorised is
	// set. idle is since when it waits for NEXT, or zero: before, and after PROCEED, a request may be on its way. One
	// that was ousted answers no more. One that is leaving made room for another before its
	// peer was known. number is its place in the order of arrival.
	authorised bool
	busy       bool
	ousted     bool
	leaving    bool
	number     uint64

	// taken is what the session's own goroutine has of the server's memory.
	taken int64
	// after is what it does when the request is answered.
	after []func()
	idle  time.Time
	peer  Peer
	who   Thumbprint
}

// accept begins a session in a goroutine of its own.
func (s *Server) accept(raw net.Conn) {
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(keepAlive())
	}
	c := &session{server: s, raw: raw, source: Source(raw.RemoteAddr())}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	s.mu.Lock()
	victim := c
	if !s.closing {
		victim = s.gate.enter(c, time.Now())
		c.patience = s.config.Limits.patience(c.guest)
	}
	if victim != c {
		s.sessions[c] = true
		s.wg.Add(1)
	}
	s.mu.Unlock()
	if victim != nil {
		victim.close()
	}
	if victim == c {
		s.config.Refused(Peer{Address: raw.RemoteAddr()}, ErrNoPeer)
		return
	}
	go func() {
		defer s.wg.Done()
		defer s.forget(c)
		defer c.survive()
		err := c.run()
		if err != nil && c.peer.Address == nil {
			s.config.Refused(Peer{Address: raw.RemoteAddr()}, whyNoPeer(err))
		}
		if err != nil && !errors.Is(err, io.EOF) {
			s.config.Logger.Debug("connection ended", "peer", raw.RemoteAddr().String(), "error", err)
		}
	}()
}

// survive keeps a panic from ending more than its connection.
func (c *session) survive() {
	if p := recover(); p != nil {
		c.server.config.Logger.Error("a connection panicked, and is closed", "peer", c.raw.RemoteAddr().String(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	}
}

func (s *Server) forget(c *session) {
	c.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate.ended(c)
	delete(s.sessions, c)
}

// close ends the connection; its goroutine then ends by itself. It may be called at any time.
func (c *session) close() {
	c.cancel()
	_ = c.raw.Close()
}

// run does TLS, the preamble, and then one request after the other.
func (c *session) run() error {
	limits := &c.server.config.Limits
	limit := time.Now().Add(c.patience)
	ctx, cancel := context.WithDeadline(c.ctx, limit)
	hands := &handshake{Conn: c.raw, places: c.server.places, rank: c.rank, ctx: ctx}
	secured := tls.Server(hands, c.server.tls)
	err := secured.HandshakeContext(ctx)
	hands.end()
	cancel()
	if err != nil {
		return fmt.Errorf("TLS handshake: %w", unreadable(err))
	}
	wire := newConn(secured, c.server.codec, limits.IO)
	wire.limit = limit
	initial, err := readInitial(wire)
	if err != nil {
		return fmt.Errorf("reading initial request: %w", err)
	}
	if initial != initialMX {
		return c.welcome(wire, initial)
	}
	if err := c.authorise(secured.ConnectionState()); err != nil {
		return err
	}
	c.server.config.Accepted(c.peer)
	if err := readIdentity(wire, lineClient); err != nil {
		return fmt.Errorf("reading identity: %w", err)
	}
	if _, err := io.WriteString(wire, lineServer+version+crlf+crlf); err != nil {
		return err
	}
	wire.limit = time.Time{}
	for {
		if again, err := c.exchange(wire); err != nil || !again {
			return err
		}
	}
}

// welcome answers a browser, or nobody: what begins like a Halibut client but is none is closed at once.
func (c *session) welcome(wire *conn, initial string) error {
	page := c.server.config.Page
	if page == "" || len(initial) < len(initialMX) || strings.HasPrefix(initial, initialMX) {
		return protocolErrorf("initial request begins with %.20q", initial)
	}
	_, err := fmt.Fprintf(wire, "HTTP/1.0 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s\r\n\r\n",
		len(page), page)
	if secured, ok := wire.Conn.(*tls.Conn); ok && err == nil {
		err = secured.CloseWrite()
	}
	return err
}

// authorise lets the peer in or not, before anything but its initial request is read.
func (c *session) authorise(state tls.ConnectionState) error {
	c.peer = Peer{Address: c.raw.RemoteAddr()}
	if len(state.PeerCertificates) > 0 {
		c.peer.Certificate = state.PeerCertificates[0]
	}
	if !c.allowed() {
		return errors.New("peer is not authorised")
	}
	c.who = SHA256Thumbprint(c.peer.Certificate)
	victim, err := c.server.enter(c)
	if err != nil {
		c.server.config.Refused(c.peer, err)
	}
	if victim != nil {
		victim.close()
	}
	return err
}

// enter counts an authorised connection, unless there are too many. It returns the one that must go for it, or nil.
func (s *Server) enter(c *session) (victim *session, err error) {
	limits := &s.config.Limits
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate.leave(c)
	s.gate.welcome(c.source, time.Now())
	open, own, oldest := s.beside(c)
	switch {
	case own >= limits.AuthorisedPerPeer && oldest != nil:
		oldest.ousted = true
		victim = oldest
	case own >= limits.AuthorisedPerPeer && open >= limits.Authorised/2: // the rest is for others
		return nil, fmt.Errorf("it has %d connections already, all of them in use", own)
	case open >= limits.Authorised:
		return nil, fmt.Errorf("there are %d connections already", open)
	}
	c.authorised = true
	return victim, nil
}

// beside counts the authorised connections, and those of c's peer, of which oldest idled longest; it is nil where none
// does. Who calls it holds the lock.
func (s *Server) beside(c *session) (open, own int, oldest *session) {
	for other := range s.sessions {
		if !other.authorised || other.ousted {
			continue
		}
		open++
		if other.who != c.who {
			continue
		}
		own++
		if !other.idle.IsZero() && (oldest == nil || other.idle.Before(oldest.idle)) {
			oldest = other
		}
	}
	return open, own, oldest
}

// allowed asks whether the peer may call, and tells of a refusal. A peer without certificate never may.
func (c *session) allowed() bool {
	config := &c.server.config
	err := errors.New("the peer showed no certificate")
	if c.peer.Certificate != nil {
		err = config.Authorise(c.peer)
	}
	if err != nil {
		config.Refused(c.peer, err)
	}
	return err == nil
}

// exchange waits for a request, answers it, and waits until another one may come.
func (c *session) exchange(wire *conn) (again bool, err error) {
	if err := wire.wait(c.server.config.Limits.FirstByte); err != nil {
		return false, fmt.Errorf("waiting for a request: %w", err)
	}
	if !c.allowed() || !c.begin() {
		return false, nil
	}
	err = c.serve(wire)
	if last := c.end(); err != nil || last {
		return false, err
	}
	return c.proceed(wire)
}

// proceed waits until the peer wants to send another request, and lets it.
func (c *session) proceed(wire *conn) (again bool, err error) {
	if err := wire.wait(c.server.config.Limits.Idle); err != nil {
		return false, fmt.Errorf("waiting for NEXT: %w", err)
	}
	switch line, err := readControl(wire); {
	case err != nil:
		return false, fmt.Errorf("reading control line: %w", err)
	case line == lineEnd:
		return false, nil
	case line != lineNext:
		return false, protocolErrorf("%q where NEXT or END belongs", line)
	}
	if !c.allowed() || !c.wake() {
		return false, nil
	}
	if _, err := io.WriteString(wire, lineProceed+crlf); err != nil {
		return false, err
	}
	return true, nil
}

// wake notes that another request comes; it is false when the connection has to make room.
func (c *session) wake() bool {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	c.idle = time.Time{}
	return !c.ousted
}

// begin notes that a request is under way; it is false when the server closes.
func (c *session) begin() bool {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	c.busy = !s.closing
	return c.busy
}

// end notes that the request is answered, and tells whether the server closes.
func (c *session) end() (last bool) {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	c.busy, c.idle = false, time.Now()
	return s.closing
}
