package tentacletest

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"time"
)

// Behaviour is how a Fake's port answers, before anything that a service could decide.
type Behaviour int

// The behaviours of a port. What a client should make of each stands behind it.
const (
	// Works is a Tentacle.
	Works Behaviour = iota
	// SilentBeforeTLS accepts connections and says nothing: TLSTimedOut.
	SilentBeforeTLS
	// ClosesBeforeTLS accepts and closes: TLSFailed.
	ClosesBeforeTLS
	// NotTLS answers in plain text: TLSFailed.
	NotTLS
	// SilentAfterTLS has the right certificate and says nothing: NoAnswer.
	SilentAfterTLS
	// ClosesAfterTLS has the right certificate and closes without a word: OperatorNotTrusted.
	ClosesAfterTLS
	// NotHalibut has the right certificate and answers as a web server: ProtocolError.
	NotHalibut
	// WrongCertificate is a Tentacle with another identity: ThumbprintMismatch.
	WrongCertificate
	// OtherTLSServer is a web server with another identity: ThumbprintMismatch.
	OtherTLSServer
)

const webAnswer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

// handshakeTime bounds what a misbehaving port waits for its peer's part.
const handshakeTime = 30 * time.Second

// Behave changes how the port answers, and drops all connections.
func (f *Fake) Behave(b Behaviour) {
	f.mu.Lock()
	f.behaviour = b
	f.mu.Unlock()
	f.DropConnections()
}

// DropConnections breaks all connections that are open. Scripts go on.
func (f *Fake) DropConnections() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.accepted {
		abort(c)
	}
	clear(f.accepted)
}

// Restart drops all connections, and forgets the TLS sessions of its peers, as another process of the Tentacle does.
// Scripts go on.
func (f *Fake) Restart() {
	f.t.Helper()
	s := f.newServer(f.certificate, f.services)
	f.mu.Lock()
	f.server = s
	f.mu.Unlock()
	f.DropConnections()
}

// Stop closes the port and all connections: connecting is refused. Scripts go on.
func (f *Fake) Stop() {
	f.mu.Lock()
	l := f.listener
	f.listener = nil
	f.mu.Unlock()
	if l != nil {
		_ = l.Close()
	}
	f.DropConnections()
}

// Listen opens the port again after Stop, at the same address.
func (f *Fake) Listen() {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listener != nil {
		return
	}
	l, err := net.Listen("tcp", f.address)
	if err != nil {
		f.t.Fatalf("listening as a fake: %v", err)
	}
	f.listener, f.address = l, l.Addr().String()
	f.work.Go(func() { f.accept(l) })
}

func (f *Fake) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		if f.listener != l {
			f.mu.Unlock()
			abort(c)
			return
		}
		b, working, imposter := f.behaviour, f.queues[f.server], f.queues[f.imposter]
		tracked := &trackedConn{Conn: c, fake: f}
		f.accepted[c.RemoteAddr().String()] = c
		f.mu.Unlock()
		switch b {
		case Works:
			working.push(tracked)
		case WrongCertificate:
			imposter.push(tracked)
		default:
			f.work.Go(func() { f.misbehave(b, tracked) })
		}
	}
}

// misbehave serves one connection until its peer goes away or the Fake drops it.
func (f *Fake) misbehave(b Behaviour, c net.Conn) {
	defer c.Close()
	switch b {
	case ClosesBeforeTLS:
		return
	case SilentBeforeTLS:
		_, _ = io.Copy(io.Discard, c)
		return
	case NotTLS:
		_, _ = io.WriteString(c, webAnswer)
		_ = c.SetDeadline(time.Now().Add(time.Second))
		_, _ = io.Copy(io.Discard, c)
		return
	}
	certificate := f.certificate
	if b == OtherTLSServer {
		certificate, _ = NewCertificate(f.t, "Another server")
	}
	s := tls.Server(c, &tls.Config{
		Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12,
	})
	_ = s.SetDeadline(time.Now().Add(handshakeTime))
	if s.Handshake() != nil {
		return
	}
	switch b {
	case SilentAfterTLS:
		_ = s.SetDeadline(time.Time{})
		_, _ = io.Copy(io.Discard, s)
	case NotHalibut, OtherTLSServer:
		_, _ = s.Read(make([]byte, 64))
		_, _ = io.WriteString(s, webAnswer)
		_ = s.CloseWrite()
		_ = s.SetDeadline(time.Now().Add(time.Second))
		_, _ = io.Copy(io.Discard, s)
	}
}

// connection finds the connection of a peer.
func (f *Fake) connection(peer net.Addr) net.Conn {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.accepted[peer.String()]
}

// abort closes so that the peer sees a reset, as from a machine that lost its power or its network.
func abort(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// trackedConn leaves its Fake's books when it is closed.
type trackedConn struct {
	net.Conn
	fake *Fake
	once sync.Once
}

func (c *trackedConn) Close() error {
	c.once.Do(func() {
		c.fake.mu.Lock()
		defer c.fake.mu.Unlock()
		if key := c.RemoteAddr().String(); c.fake.accepted[key] == c.Conn {
			delete(c.fake.accepted, key)
		}
	})
	return c.Conn.Close()
}

// queue is a listener whose connections are handed to it.
type queue struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newQueue() *queue {
	return &queue{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (q *queue) push(c net.Conn) {
	select {
	case q.conns <- c:
	case <-q.done:
		_ = c.Close()
	}
}

// Accept returns the next connection that was pushed.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

// Close lets Accept return net.ErrClosed.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.done) })
	return nil
}

// Addr is no real address.
func (q *queue) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
