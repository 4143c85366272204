package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// maxAnswer bounds an answer in memory, in bytes: output is sent in parts of tentacle.MaxResponse, and BSON adds to it.
const maxAnswer = 8 * tentacle.MaxResponse

// clientKey identifies the connections of one namespace and identity.
type clientKey struct {
	namespace string
	identity  halibut.Thumbprint
	timeout   time.Duration
}

type endpointKey struct {
	clientKey
	halibut.Endpoint
}

// client contains the connections of one identity while any of its machines is in use.
type client struct {
	*halibut.Client
	endpoints int
}

// endpoint is what is known of a machine while it is in use.
type endpoint struct {
	users int
	facts *tentacle.Facts
	// connected is true once there was a connection, so that the facts are those of the process that now runs.
	connected bool
	// contents contains the digests of the contents that the machine is known to have.
	contents map[string]bool
	timer    *time.Timer
	// engine is one that was uploaded, and survey what a script found out about the machine before. provisioning is the
	// lock for the upload.
	engine       *step.Brought
	survey       *survey
	provisioning chan struct{}
}

// Session is one use of a machine. It must be used by one goroutine only, and be closed.
type Session struct {
	*tentacle.Client
	pool    *Pool
	machine Machine
	key     endpointKey
	conn    *halibut.Client
	at      *endpoint
}

// keyOf returns the key of a machine and of the way to reach it.
func keyOf(m Machine) endpointKey {
	pin := m.Thumbprint
	if m.SHA256 != "" && pin != "" {
		pin = m.SHA256
	}
	identity := clientKey{m.Namespace, m.Identity.Thumbprint, cmp.Or(m.ConnectTimeout, defaultConnect)}
	return endpointKey{identity, halibut.Endpoint{Address: m.Address, Thumbprint: pin}}
}

// Open returns a Session with a machine. It does not connect.
func (p *Pool) Open(m Machine) *Session {
	key := keyOf(m)
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.clients[key.clientKey]
	if c == nil {
		c = &client{Client: halibut.NewClient(halibut.ClientConfig{Certificate: m.Identity.Certificate, ConnectTimeout: key.timeout,
			SpoolDir: p.config.SpoolDir, DialContext: p.dial, MaxMessage: maxAnswer, Logger: p.config.Logger,
			Admit: func(ctx context.Context) (func(), error) { return admit(ctx, p.dials, key.namespace) },
			Receive: func(ctx context.Context, size int64) (func(), error) {
				return p.answers.receive(ctx, key.namespace, size)
			},
			Sessions:  sessions{p.memory, key.clientKey},
			Connected: func(ep halibut.Endpoint, resumed bool) { p.connected(key.clientKey, ep, resumed) }})}
		p.clients[key.clientKey] = c
	}
	at := p.endpoints[key]
	if at == nil {
		at = &endpoint{facts: p.memory.get(key).facts, contents: map[string]bool{}, provisioning: make(chan struct{}, 1)}
		p.endpoints[key] = at
		c.endpoints++
	}
	at.users++
	if at.timer != nil {
		at.timer.Stop()
		at.timer = nil
	}
	return &Session{Client: tentacle.NewClient(c.Client, key.Endpoint), pool: p, machine: m, key: key, conn: c.Client, at: at}
}

// Reaches reports whether the session is with that machine at that address, with the same identity.
func (s *Session) Reaches(m Machine) bool { return s.key == keyOf(m) }

// Close closes the connections after Config.Linger, if no other Session uses them then.
func (s *Session) Close() { s.closeAfter(s.pool.config.Linger) }

// Await is Close for a machine with a script whose result is not written yet: CompleteScript follows soon, and a
// handshake costs both sides more than an idle connection.
func (s *Session) Await() { s.closeAfter(s.pool.config.Await) }

func (s *Session) closeAfter(d time.Duration) {
	p := s.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	s.at.users--
	if s.at.users > 0 || s.at.timer != nil {
		return
	}
	s.at.timer = time.AfterFunc(d, s.linger)
}

// linger closes the connections of a machine that is not in use.
func (s *Session) linger() {
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

// Failed records that a request failed. The Tentacle may come back as another version, so its capabilities are
// requested again. Config.Unreached is called if the machine was not reached.
func (s *Session) Failed(err error) {
	s.setFacts(nil)
	var connect *halibut.ConnectError
	if errors.As(err, &connect) && !errors.Is(err, ErrBusy) && !errors.Is(err, context.Canceled) && s.pool.ctx.Err() == nil {
		s.pool.config.Unreached(types.NamespacedName{Namespace: s.machine.Namespace, Name: s.machine.Name})
	}
}

// Answered records that the machine answered: it calls Config.Reached.
func (s *Session) Answered() {
	s.pool.config.Reached(types.NamespacedName{Namespace: s.machine.Namespace, Name: s.machine.Name})
}

// bounded returns a context that ends after d, and when the Pool closes.
func (p *Pool) bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, d)
	stop := context.AfterFunc(p.ctx, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// Facts returns the machine's capabilities. They are requested once while it is in use, and not at all from a Mantle
// Tentacle whose process has told them before.
func (s *Session) Facts(ctx context.Context) (tentacle.Facts, error) {
	known, connected := s.known()
	if known != nil && !connected {
		if _, err := s.conn.Connect(ctx, s.key.Endpoint); err != nil {
			return tentacle.Facts{}, err
		}
		known, _ = s.known() // nil if it is another process
	}
	if known != nil {
		s.Client = s.For(*known)
		return *known, nil
	}
	return s.ask(ctx)
}

func (s *Session) known() (facts *tentacle.Facts, connected bool) {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	return s.at.facts, s.at.connected
}

// ask requests the machine's capabilities, and adapts the client to them.
func (s *Session) ask(ctx context.Context) (tentacle.Facts, error) {
	facts, err := s.Client.Facts(ctx)
	if err != nil {
		return tentacle.Facts{}, fmt.Errorf("asking for capabilities: %w", err)
	}
	facts = cleanFacts(facts)
	s.setFacts(&facts)
	s.Client = s.For(facts)
	return facts, nil
}

// setFacts records the machine's capabilities; nil means that they must be requested again.
func (s *Session) setFacts(facts *tentacle.Facts) {
	s.remember(func(at *endpoint) { at.facts = facts })
	if facts != nil && !facts.Mantle() {
		facts = nil
	}
	s.pool.memory.setFacts(s.key, facts)
}

// HasContent reports whether the machine is known to have a content.
func (s *Session) HasContent(sha256 string) bool {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	return s.at.contents[strings.ToLower(sha256)]
}

// maxContents bounds how many contents of a machine are remembered.
const maxContents = 4096

// SetHasContent records whether the machine has a content.
func (s *Session) SetHasContent(sha256 string, has bool) {
	s.remember(func(at *endpoint) {
		if !has {
			delete(at.contents, strings.ToLower(sha256))
			return
		}
		if len(at.contents) >= maxContents {
			clear(at.contents) // no honest machine reports so many
		}
		at.contents[strings.ToLower(sha256)] = true
	})
}

func (s *Session) remember(change func(*endpoint)) {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	change(s.at)
}

// connected records a new connection with a machine. If it did not resume the last TLS session, the Tentacle may have come
// back as another version.
func (p *Pool) connected(identity clientKey, ep halibut.Endpoint, resumed bool) {
	key := sessions{p.memory, identity}.key(ep)
	if !resumed {
		p.memory.setFacts(key, nil)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.endpoints[key]
	if at == nil {
		return
	}
	if at.connected = true; !resumed {
		at.facts = nil
	}
}
