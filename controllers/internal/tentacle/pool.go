package tentacle

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// Config of a Pool. The zero value of every number is its default.
type Config struct {
	// MaxDials is how many connections are dialled at once (64).
	MaxDials int
	// MaxFollowers is how many scripts are followed by WaitForStatus at once (2,000); the others are polled.
	MaxFollowers int
	// PollMin and PollMax bound the pause between polls (0.5 s and 15 s), RetryPause that between tries to reach a
	// machine (1 s, doubling up to 10 s).
	PollMin, PollMax, RetryPause time.Duration
	// Wait is how long a machine may hold WaitForStatus (45 s), Linger how long an unused connection stays (5 s).
	Wait, Linger time.Duration
	// SpoolDir is for large answers.
	SpoolDir string
	// Notify is told when an action's report changes, with its owner; it must not block.
	Notify func(owner types.NamespacedName)
	// Unreached is told when a machine could not be reached, with its target; it must not block.
	Unreached func(target types.NamespacedName)
	// DialContext replaces net.Dialer in tests.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	Logger      *slog.Logger
}

func (c Config) withDefaults() Config {
	setInt := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	set := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	setInt(&c.MaxDials, 64)
	setInt(&c.MaxFollowers, 2000)
	set(&c.PollMin, 500*time.Millisecond)
	set(&c.PollMax, 15*time.Second)
	set(&c.RetryPause, time.Second)
	set(&c.Wait, 45*time.Second)
	set(&c.Linger, 5*time.Second)
	if c.Notify == nil {
		c.Notify = func(types.NamespacedName) {}
	}
	if c.Unreached == nil {
		c.Unreached = func(types.NamespacedName) {}
	}
	if c.DialContext == nil {
		c.DialContext = (&net.Dialer{}).DialContext
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Pool holds the sessions. It is safe for concurrent use.
type Pool struct {
	config    Config
	ctx       context.Context
	stop      context.CancelFunc
	running   sync.WaitGroup
	dials     chan struct{}
	followers chan struct{}

	mu        sync.Mutex
	stopped   bool
	actions   map[string]*action
	clients   map[clientKey]*halibut.Client
	endpoints map[endpointKey]*endpoint
}

// clientKey keeps the connections of different identities apart.
type clientKey struct {
	identity halibut.Thumbprint
	timeout  time.Duration
}

type endpointKey struct {
	clientKey
	halibut.Endpoint
}

// endpoint is what is known of a machine while somebody works with it.
type endpoint struct {
	users int
	facts *tentacle.Facts
	// holds are the contents that the machine is known to have.
	holds map[string]bool
	timer *time.Timer
}

// NewPool makes a Pool. Nothing runs until it is asked.
func NewPool(config Config) *Pool {
	config = config.withDefaults()
	ctx, stop := context.WithCancel(context.Background())
	return &Pool{config: config, ctx: ctx, stop: stop,
		dials: make(chan struct{}, config.MaxDials), followers: make(chan struct{}, config.MaxFollowers),
		actions: map[string]*action{}, clients: map[clientKey]*halibut.Client{}, endpoints: map[endpointKey]*endpoint{}}
}

// drain is how long Start waits for the goroutines of actions when it ends; the scripts go on.
const drain = 5 * time.Second

// Start waits until the context ends, then lets go of every action without ending a script. It is a manager's Runnable.
func (p *Pool) Start(ctx context.Context) error {
	<-ctx.Done()
	p.Close()
	return nil
}

// Close lets go of every action without ending a script.
func (p *Pool) Close() {
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	p.stop()
	done := make(chan struct{})
	go func() {
		p.running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(drain):
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.clients {
		c.Close()
	}
}

// spawn runs f unless the pool has stopped.
func (p *Pool) spawn(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return false
	}
	p.running.Add(1)
	go func() {
		defer p.running.Done()
		f()
	}()
	return true
}

// session is one use of a machine: its client, and what is known of it. Release it.
type session struct {
	*tentacle.Client
	pool *Pool
	key  endpointKey
	conn *halibut.Client
	at   *endpoint
}

func (p *Pool) session(m Machine) *session {
	pin := m.Thumbprint
	if m.SHA256 != "" && pin != "" {
		pin = m.SHA256
	}
	key := endpointKey{clientKey{m.Identity.Thumbprint, m.ConnectTimeout}, halibut.Endpoint{Address: m.Address, Thumbprint: pin}}
	p.mu.Lock()
	defer p.mu.Unlock()
	conn := p.clients[key.clientKey]
	if conn == nil {
		conn = halibut.NewClient(halibut.ClientConfig{Certificate: m.Identity.Certificate, ConnectTimeout: m.ConnectTimeout,
			SpoolDir: p.config.SpoolDir, DialContext: p.dial, Logger: p.config.Logger})
		p.clients[key.clientKey] = conn
	}
	at := p.endpoints[key]
	if at == nil {
		at = &endpoint{holds: map[string]bool{}}
		p.endpoints[key] = at
	}
	at.users++
	if at.timer != nil {
		at.timer.Stop()
		at.timer = nil
	}
	return &session{Client: tentacle.NewClient(conn, key.Endpoint), pool: p, key: key, conn: conn, at: at}
}

// release lets the connections go a little later, when nobody else uses them by then.
func (s *session) release() {
	p := s.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	s.at.users--
	if s.at.users > 0 || s.at.timer != nil {
		return
	}
	s.at.timer = time.AfterFunc(p.config.Linger, func() {
		p.mu.Lock()
		idle := s.at.users == 0
		if idle {
			delete(p.endpoints, s.key)
		}
		p.mu.Unlock()
		if idle {
			s.conn.CloseIdle(s.key.Endpoint)
		}
	})
}

// dial bounds how many connections are dialled at once.
func (p *Pool) dial(ctx context.Context, network, address string) (net.Conn, error) {
	select {
	case p.dials <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-p.dials }()
	return p.config.DialContext(ctx, network, address)
}

// facts asks the machine what it offers, once while it is worked with.
func (s *session) facts(ctx context.Context) (tentacle.Facts, error) {
	s.pool.mu.Lock()
	known := s.at.facts
	s.pool.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	r, err := s.GetCapabilities(ctx)
	if err != nil {
		return tentacle.Facts{}, fmt.Errorf("asking for capabilities: %w", err)
	}
	f := tentacle.ParseFacts(r)
	s.pool.mu.Lock()
	s.at.facts = &f
	s.pool.mu.Unlock()
	return f, nil
}

func (s *session) holds(content string) bool {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	return s.at.holds[content]
}

func (s *session) setHolds(content string, holds bool) {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.at.holds[strings.ToLower(content)] = holds
}
