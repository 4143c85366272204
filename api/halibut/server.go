package halibut

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"time"
)

// Limits bound what peers can make a Server do. A zero value of a field means the default named there.
type Limits struct {
	// Handshake is for TLS and the preamble together (10 s), and three times that from an address from which somebody was authorised
	// within the last hour.
	Handshake time.Duration
	// Unauthorised is how many connections may be waiting for authorisation, in all (256) and for each
	// address or IPv6 /64 (half of that). When full, the oldest of the address that came most often lately is closed, or the newcomer
	// where that is its own; an address that has UnauthorisedPerAddress (16) takes nothing from others that came as often.
	Unauthorised, UnauthorisedPerAddress int
	// UnauthorisedKnown is how many more may be waiting (512) from all addresses from which somebody was authorised within the
	// last hour: those come before all others, and strangers take nothing from them.
	UnauthorisedKnown int
	// Authorised is how many authorised connections may be open, in all (2048) and for each certificate (512). A peer
	// that has its share gets a new one for the one that idled longest. Where all are in use it gets more, as long as
	// less than half of all are open.
	Authorised, AuthorisedPerPeer int
	// Computing is how many handshakes may compute at once (the number of CPUs).
	Computing int
	// FirstByte is how long to wait for a request after MX-SERVER or PROCEED (10 min).
	FirstByte time.Duration
	// Idle is how long to wait for NEXT after a response (10 min).
	Idle time.Duration
	// IO is for each read within a request and for each write (1 min).
	IO time.Duration
	// MaxRequest is the inflated size of a request in bytes (16 MiB).
	MaxRequest int64
	// SlowestPeer is how many bytes a second a peer must send of a large request, and take of an answer, beside IO (64 KiB).
	SlowestPeer int64
	// Memory is how many bytes large requests and answers may take together (256 MiB), and those of one certificate (64 MiB). A
	// request waits for its part for up to IO, and methods ask for that of a large answer by Reserve.
	Memory, MemoryPerPeer int64
	// MaxRefused is how many bytes of refused data streams are read and thrown away so that the peer can be
	// answered (64 MiB); where there are more, the connection is closed, and the peer tries again.
	MaxRefused int64
	// MaxUnwanted is MaxRefused for what is refused with ErrUnwanted (16 GiB): trying that again does not help, and
	// only the answer says so.
	MaxUnwanted int64
}

// ServerConfig is what a Server needs. Certificate, Authorise and Services must be set.
type ServerConfig struct {
	// Certificate is the listener's identity.
	Certificate tls.Certificate
	// Authorise decides whether a peer may call: after the preamble, again before each request, and when
	// DropUntrusted is called. It must be quick, and safe for concurrent use.
	Authorise func(Peer) error
	// Accepted is told of every connection whose peer was let in, once (may be nil).
	Accepted func(Peer)
	// Refused is told of every peer that Authorise refused, with its error, of those that came when there were too
	// many, and of connections that ended before their peer was known, which has no certificate: with ErrNoPeer, or an
	// *UnreadableError (may be nil).
	Refused func(Peer, error)
	// Admit is asked before the data streams of a request are read (may be nil); ctx is that of its method. An error
	// refuses the request: the streams are thrown away and the error is answered, or with ErrUnwanted what the method
	// says. Otherwise release, if there is one, is called when the request was answered. It must be safe for
	// concurrent use.
	Admit func(ctx context.Context, a Arrival) (release func(), err error)
	// Services are what is offered.
	Services []Service
	// Page is the HTML that browsers get. Without it they are closed.
	Page string
	// NewestTLS is the newest version of TLS that is spoken, as crypto/tls numbers them (the newest there is).
	NewestTLS uint16
	// Limits bound what peers can do.
	Limits Limits
	// SpoolDir is for received data streams larger than 256 KiB (the system's temporary folder).
	SpoolDir string
	// Digest makes what DataStream.Digest tells of received data streams that lie in files (may be nil).
	Digest func() hash.Hash
	// Logger gets debug lines on connections and an error for each panic of a method (none).
	Logger *slog.Logger
}

// ErrNoPeer is what Refused is told of a connection that ended before its peer was known: in the handshake, by
// its time-out or to make room, or because it did not begin as a Halibut client does.
var ErrNoPeer = errors.New("the connection ended before its peer was known")

// ErrUnwanted is what Admit returns of a request that its method will refuse: the method is called without its data
// streams, to record the refusal and to put it in its own form.
var ErrUnwanted = errors.New("the data streams are not wanted")

// Arrival is a request whose data streams are still to be read.
type Arrival struct {
	// Service and Method are the names under which they are offered.
	Service, Method string
	// Arguments are what the method will get; data streams in them have a length, and no content yet.
	Arguments []any
	// StreamBytes is the length of all data streams together.
	StreamBytes int64

	streams []*DataStream
}

// Left is how many bytes of the data streams are still to be received, and how many its method has not read yet, each
// counted for itself. It may be asked until the request is answered.
func (a Arrival) Left() int64 {
	var left int64
	for _, s := range a.streams {
		left += max(s.length-s.arrived.Load(), 0) + max(s.length-s.read.Load(), 0)
	}
	return left
}

// Server answers calls on connections from listeners.
type Server struct {
	config ServerConfig
	tls    *tls.Config
	codec  *codec
	// ctx is the parent of the methods' contexts.
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu        sync.Mutex
	closing   bool
	listeners map[net.Listener]bool
	sessions  map[*session]bool
	gate      gate
	places    *places
	memory    *memory
	digests   *digests
}

// NewServer checks the configuration and returns a Server. It starts nothing.
func NewServer(config ServerConfig) (*Server, error) {
	signer, ok := config.Certificate.PrivateKey.(crypto.Signer)
	switch {
	case len(config.Certificate.Certificate) == 0 || !ok:
		return nil, errors.New("a server needs a certificate with its key")
	case config.Authorise == nil:
		return nil, errors.New("a server needs Authorise")
	}
	config.setDefaults()
	s := &Server{
		config:    config,
		codec:     newCodec(),
		listeners: map[net.Listener]bool{},
		sessions:  map[*session]bool{},
		gate:      newGate(config.Limits.Unauthorised, config.Limits.UnauthorisedPerAddress, config.Limits.UnauthorisedKnown),
		places:    newPlaces(config.Limits.Computing),
		memory:    newMemory(config.Limits.Memory, config.Limits.MemoryPerPeer),
		digests:   newDigests(config.Digest),
		tls: &tls.Config{
			MinVersion:                  tls.VersionTLS12,
			MaxVersion:                  config.NewestTLS,
			GetCertificate:              placedCertificate(config.Certificate, signer),
			ClientAuth:                  tls.RequestClientCert,
			DynamicRecordSizingDisabled: true,
		},
	}
	ticketsOnlyFrom13(s.tls)
	limitHandshakes(s.tls)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

func (config *ServerConfig) setDefaults() {
	l := &config.Limits
	setDefault(&l.Handshake, 10*time.Second)
	setDefault(&l.Unauthorised, 256)
	setDefault(&l.UnauthorisedPerAddress, 16)
	setDefault(&l.UnauthorisedKnown, 512)
	setDefault(&l.Authorised, 2048)
	setDefault(&l.AuthorisedPerPeer, 512)
	setDefault(&l.Computing, runtime.NumCPU())
	setDefault(&l.FirstByte, 10*time.Minute)
	setDefault(&l.Idle, 10*time.Minute)
	setDefault(&l.IO, time.Minute)
	setDefault(&l.MaxRequest, 16<<20)
	setDefault(&l.SlowestPeer, 64<<10)
	setDefault(&l.Memory, 256<<20)
	setDefault(&l.MemoryPerPeer, 64<<20)
	setDefault(&l.MaxRefused, 64<<20)
	setDefault(&l.MaxUnwanted, 16<<30)
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Accepted == nil {
		config.Accepted = func(Peer) {}
	}
	if config.Refused == nil {
		config.Refused = func(Peer, error) {}
	}
}

// Serve accepts connections from l until Shutdown, and closes l. It returns nil after Shutdown, else the
// error of the listener. It may be called for several listeners.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close() //nolint:errcheck // nothing can be done about it
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return nil
	}
	s.listeners[l] = true
	s.mu.Unlock()
	const shortest, longest = 5 * time.Millisecond, time.Second
	for pause := shortest; ; {
		raw, err := l.Accept()
		if err == nil {
			pause = shortest
			s.accept(raw)
			continue
		}
		if s.isClosing() {
			return nil
		}
		if passing, ok := errors.AsType[net.Error](err); !ok || !passing.Temporary() { //nolint:staticcheck // as net/http
			return fmt.Errorf("accepting connections: %w", err)
		}
		s.config.Logger.Warn("accepting a connection failed", "error", err)
		select {
		case <-time.After(pause):
			pause = min(2*pause, longest)
		case <-s.ctx.Done():
		}
	}
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// Shutdown closes the listeners and idle connections and waits until the methods under way have returned and
// are answered. When ctx ends first, their contexts are cancelled, all connections are closed, and its error
// is returned without waiting for them.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	for l := range s.listeners {
		_ = l.Close()
	}
	for c := range s.sessions {
		if !c.busy {
			c.close()
		}
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		c.close()
	}
	return err
}

// DropUntrusted asks Authorise again for each connection, and closes those that are now refused.
func (s *Server) DropUntrusted() {
	s.mu.Lock()
	var all []*session
	for c := range s.sessions {
		if c.authorised {
			all = append(all, c)
		}
	}
	s.mu.Unlock()
	for _, c := range all {
		if !c.allowed() {
			c.close()
		}
	}
}
