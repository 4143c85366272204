package halibut

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"time"
)

// Limits bound what peers can make a Server do. A zero value of a field means the default named there.
type Limits struct {
	// Handshake is for TLS and the preamble together (10 s).
	Handshake time.Duration
	// Unauthorised is how many connections may be waiting for authorisation, in all (256) and for each
	// address or IPv6 /64 (16). When full, the oldest of the address with most is closed.
	Unauthorised, UnauthorisedPerAddress int
	// Authorised is how many authorised connections may be open (1024).
	Authorised int
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
	// MaxRefused is how many bytes of refused data streams are read and thrown away so that the peer can be
	// answered (64 MiB); where there are more, the connection is closed.
	MaxRefused int64
}

// ServerConfig is what a Server needs. Certificate, Authorise and Services must be set.
type ServerConfig struct {
	// Certificate is the listener's identity.
	Certificate tls.Certificate
	// Authorise decides whether a peer may call: after the preamble, again before each request, and when
	// DropUntrusted is called. It must be quick, and safe for concurrent use.
	Authorise func(Peer) error
	// Refused is told of every peer that Authorise refused, with its error (may be nil).
	Refused func(Peer, error)
	// Admit is asked before the data streams of a request are read; an error refuses it: they are thrown
	// away and the error is answered (may be nil). It must be safe for concurrent use.
	Admit func(peer Peer, service, method string, streamBytes int64) error
	// Services are what is offered.
	Services []Service
	// Page is the HTML that browsers get. Without it they are closed.
	Page string
	// Limits bound what peers can do.
	Limits Limits
	// SpoolDir is for received data streams larger than 256 KiB (the system's temporary folder).
	SpoolDir string
	// Logger gets debug lines on connections and an error for each panic of a method (none).
	Logger *slog.Logger
}

// Server answers calls on connections from a listener.
type Server struct {
	config ServerConfig
}

// NewServer checks the configuration and returns a Server. It starts nothing.
func NewServer(config ServerConfig) (*Server, error) {
	return &Server{config: config}, nil
}

// Serve accepts connections from l until Shutdown, and closes l. It returns nil after Shutdown, else the
// error of the listener. It may be called for several listeners.
func (s *Server) Serve(l net.Listener) error { return errors.New("not written yet") }

// Shutdown closes the listeners and idle connections and waits until the methods under way have returned and
// are answered. When ctx ends first, their contexts are cancelled, all connections are closed, and its error
// is returned.
func (s *Server) Shutdown(ctx context.Context) error { return nil }

// DropUntrusted asks Authorise again for each connection, and closes those that are now refused.
func (s *Server) DropUntrusted() {}
