package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/files"
	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/policy"
	"github.com/mantledeploy/mantle/agent/internal/trust"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// Keep-alive of connections, by the system, as the reference does it (halibut.md section 1.1).
const (
	keepAliveIdle     = 15 * time.Second
	keepAliveInterval = 5 * time.Second
	keepAliveCount    = 10
)

// Config is what a Server needs. Everything but Page must be set.
type Config struct {
	// Home is where received streams are spooled, and whose free space bounds them.
	Home home.Home
	// Certificate is the machine's identity.
	Certificate tls.Certificate
	// Trust decides who may call.
	Trust *trust.List
	// Policy says what they may transfer, and how binding it is.
	Policy *policy.List
	// Scripts runs scripts.
	Scripts Scripts
	// ScriptsV1 runs them for those who speak script service V1.
	ScriptsV1 ScriptsV1
	// Files transfers files.
	Files *files.Store
	// Facts are told to operators, together with the services.
	Facts tentacle.Facts
	// NoJournal reports whether nothing was ever deployed to the machine.
	NoJournal func() bool
	// StartReserve is what must be free in the home for a script to be started, in bytes.
	StartReserve int64
	// Page says whether browsers are told what this is.
	Page bool
	// Audit gets every connection and transfer; scripts.Config has its own hook.
	Audit Audit
	// Pending gets operators who are not trusted.
	Pending Pending
	// Connected is called for every connection, whoever it is from (may be nil).
	Connected func()
	// Logger gets who was refused, and the server's own trouble.
	Logger *slog.Logger
}

// Server is a Tentacle on the network. Make it with New.
type Server struct {
	halibut *halibut.Server
	refused *refusals
	closing context.Context // ends when Shutdown begins, so that waiting calls are answered
	close   context.CancelFunc
}

// New wires a server. It opens nothing and starts nothing.
func New(c Config) (*Server, error) {
	closing, closeAll := context.WithCancel(context.Background())
	m := &machine{
		room: &room{dir: c.Home.Dir(), free: c.Home.Free, reserve: c.StartReserve}, scripts: c.Scripts, policy: c.Policy, v1: c.ScriptsV1, Store: c.Files, facts: c.Facts, noJournal: c.NoJournal, audit: c.Audit, closing: closing,
	}
	c.Files.Record(recordTransfer(c.Audit))
	services := tentacle.Services(m)
	m.facts.Services = tentacle.Listed(services)
	refused := newRefusals(c)
	config := halibut.ServerConfig{
		Certificate: c.Certificate,
		Authorise:   func(p halibut.Peer) error { return c.Trust.Check(p.Certificate) },
		Accepted: func(p halibut.Peer) {
			c.connected()
			c.Audit.Note(by(p, audit.Entry{What: audit.Connection, Decision: audit.Allowed}))
		},
		Refused: func(p halibut.Peer, err error) {
			c.connected()
			refused.record(p, err, time.Now())
		},
		Admit:    m.admit,
		Services: services,
		SpoolDir: c.Home.Spool(), Digest: files.NewDigest,
		Logger: c.Logger,
	}
	if c.Page {
		config.Page = page
	}
	s, err := halibut.NewServer(config)
	if err != nil {
		closeAll()
		return nil, fmt.Errorf("making the server: %w", err)
	}
	return &Server{halibut: s, refused: refused, closing: closing, close: closeAll}, nil
}

func (c *Config) connected() {
	if c.Connected != nil {
		c.Connected()
	}
}

// Listen opens address (host:port; an empty host is every address of the machine).
func Listen(ctx context.Context, address string) (net.Listener, error) {
	lc := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount,
	}}
	lc.SetMultipathTCP(false) // one plain port, as firewalls and administrators see it
	l, err := lc.Listen(ctx, "tcp", address)
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err // who asks names the address
	}
	if err != nil {
		return nil, fmt.Errorf("opening the port: %w", err)
	}
	return l, nil
}

// Serve answers on l until Shutdown, and returns nil then.
func (s *Server) Serve(l net.Listener) error {
	if err := s.halibut.Serve(l); err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// TrustChanged closes the connections of peers who are no longer trusted.
func (s *Server) TrustChanged() { s.halibut.DropUntrusted() }

// Shutdown stops accepting, closes idle connections, answers calls that only wait, and lets the others
// finish until ctx ends; then it cuts them off, which is no error: who sent them sends them again.
func (s *Server) Shutdown(ctx context.Context) error {
	s.close()
	err := s.halibut.Shutdown(ctx)
	s.refused.flush()
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("ending connections: %w", err)
	}
	return nil
}
