package tentacle

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// ErrBusy is in the error of a machine that was not even dialled, as too many others were: it says nothing about it.
var ErrBusy = errors.New("too many machines are being dialled")

const (
	// defaultConnect bounds one try to connect where the machine says nothing.
	defaultConnect = 10 * time.Second
	// dialQueue is how long a dial waits for its turn, at most.
	dialQueue = 5 * time.Minute
	// maxAnswer bounds an answer in memory, in bytes: output comes in parts of tentacle.MaxResponse, and BSON adds to it.
	maxAnswer = 8 * tentacle.MaxResponse
)

// clientKey keeps the connections of different identities apart.
type clientKey struct {
	identity halibut.Thumbprint
	timeout  time.Duration
}

type endpointKey struct {
	clientKey
	halibut.Endpoint
}

// client has the connections of one identity, as long as any of its machines is worked with.
type client struct {
	*halibut.Client
	endpoints int
}

// endpoint is what is known of a machine while somebody works with it.
type endpoint struct {
	users int
	facts *tentacle.Facts
	// holds are the contents that the machine is known to have.
	holds map[string]bool
	timer *time.Timer
	// engine is one that was brought, and survey what the machine said of itself then; who brings it holds bringing.
	engine   *step.Brought
	survey   *survey
	bringing chan struct{}
}

// session is one use of a machine: its client, and what is known of it. Release it.
type session struct {
	*tentacle.Client
	pool    *Pool
	machine Machine
	key     endpointKey
	conn    *halibut.Client
	at      *endpoint
}

// keyOf tells machines, and ways of reaching one, apart.
func keyOf(m Machine) endpointKey {
	pin := m.Thumbprint
	if m.SHA256 != "" && pin != "" {
		pin = m.SHA256
	}
	timeout := m.ConnectTimeout
	if timeout == 0 {
		timeout = defaultConnect
	}
	return endpointKey{clientKey{m.Identity.Thumbprint, timeout}, halibut.Endpoint{Address: m.Address, Thumbprint: pin}}
}

func (p *Pool) session(m Machine) *session {
	key := keyOf(m)
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.clients[key.clientKey]
	if c == nil {
		c = &client{Client: halibut.NewClient(halibut.ClientConfig{Certificate: m.Identity.Certificate, ConnectTimeout: key.timeout + dialQueue,
			SpoolDir: p.config.SpoolDir, DialContext: p.dialer(key.timeout), MaxMessage: maxAnswer, Logger: p.config.Logger,
			Reconnecting: func(ep halibut.Endpoint) { p.doubtFacts(key.clientKey, ep) }})}
		p.clients[key.clientKey] = c
	}
	at := p.endpoints[key]
	if at == nil {
		at = &endpoint{holds: map[string]bool{}, bringing: make(chan struct{}, 1)}
		p.endpoints[key] = at
		c.endpoints++
	}
	at.users++
	if at.timer != nil {
		at.timer.Stop()
		at.timer = nil
	}
	return &session{Client: tentacle.NewClient(c.Client, key.Endpoint), pool: p, machine: m, key: key, conn: c.Client, at: at}
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
	s.at.timer = time.AfterFunc(p.config.Linger, s.linger)
}

// linger ends the connections of a machine that nobody works with.
func (s *session) linger() {
	p := s.pool
	p.mu.Lock()
	idle := s.at.users == 0 && p.endpoints[s.key] == s.at
	if idle {
		delete(p.endpoints, s.key)
		if c := p.clients[s.key.clientKey]; c != nil {
			if c.endpoints--; c.endpoints == 0 {
				delete(p.clients, s.key.clientKey)
			}
		}
	}
	p.mu.Unlock()
	if idle {
		s.conn.CloseIdle(s.key.Endpoint)
	}
}

// unreached tells that the machine could not be reached, where that is what the error says.
func (s *session) unreached(err error) {
	var connect *halibut.ConnectError
	if errors.As(err, &connect) && !errors.Is(err, ErrBusy) && s.pool.ctx.Err() == nil {
		s.pool.config.Unreached(types.NamespacedName{Namespace: s.machine.Namespace, Name: s.machine.Name})
	}
}

// dialer dials with a bound on how many do at once. Waiting for the turn does not use up the machine's own time: a
// machine is not away because others are.
func (p *Pool) dialer(timeout time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		select {
		case p.dials <- struct{}{}:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
		}
		defer func() { <-p.dials }()
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return p.config.DialContext(ctx, network, address)
	}
}

// bounded ends with the pool too.
func (p *Pool) bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, d)
	stop := context.AfterFunc(p.ctx, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// facts asks the machine what it offers, once while it is worked with.
func (s *session) facts(ctx context.Context) (tentacle.Facts, error) {
	s.pool.mu.Lock()
	known := s.at.facts
	s.pool.mu.Unlock()
	if known != nil {
		s.Client = s.For(*known)
		return *known, nil
	}
	f, err := s.Facts(ctx)
	if err != nil {
		return tentacle.Facts{}, fmt.Errorf("asking for capabilities: %w", err)
	}
	s.learn(f)
	return f, nil
}

// learn remembers the facts of the machine, and speaks with it as they ask for.
func (s *session) learn(f tentacle.Facts) {
	s.remember(func(at *endpoint) { at.facts = &f })
	s.Client = s.For(f)
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

// forgetFacts makes the next one ask again: who broke off may come back as another version.
func (s *session) forgetFacts() {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.at.facts = nil
}

// doubtFacts is forgetFacts for a machine that closed a connection between two calls.
func (p *Pool) doubtFacts(identity clientKey, ep halibut.Endpoint) {
	ep.StreamPause = 0 // which is what the facts made of it
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := p.endpoints[endpointKey{identity, ep}]; at != nil {
		at.facts = nil
	}
}
