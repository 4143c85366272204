package session

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/controllers/internal/turns"
)

// Config configures a Pool. A number that is zero gets its default.
type Config struct {
	// MaxDials is how many connections are dialled at once (64), at most half of them for one namespace.
	MaxDials int
	// MaxFollowers is how many scripts are followed by WaitForStatus at once (2,000), at most three quarters of them for one
	// namespace. The others are polled.
	MaxFollowers int
	// PollMin and PollMax bound the pause between polls of a machine that could hold its answer (0.5 s and 15 s). One that
	// cannot is asked more often; see sincePause. RetryPause is the pause between retries of what the Pool does in the
	// background (1 s, doubling).
	PollMin, PollMax, RetryPause time.Duration
	// Wait is how long a machine may hold WaitForStatus (45 s), Linger how long an unused connection stays open (5 s), and
	// Await how long it stays open after a script whose result is not written yet (20 s).
	Wait, Linger, Await time.Duration
	// EngineDir contains the engines for machines without one, as tentacle-<os>-<arch>[.exe].
	EngineDir string
	// SpoolDir is the directory for large answers.
	SpoolDir string
	// Unreached is called when a machine could not be reached; it must not block.
	Unreached func(target types.NamespacedName)
	// Reached is called for every successful exchange with a machine; it must not block.
	Reached func(target types.NamespacedName)
	// Allow returns an error for an address that must not be connected to; nil allows all. It is called for every address of
	// a host name, and only an allowed address is connected to.
	Allow func(netip.AddrPort) error
	// Resolve replaces the system's resolver in tests, DialContext its dialer.
	Resolve     func(ctx context.Context, network, host string) ([]netip.Addr, error)
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	Logger      *slog.Logger
}

// keepAlive detects a peer that is gone without closing the connection (halibut.md section 1.1).
func keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 10}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c Config) withDefaults() Config {
	setDefault(&c.MaxDials, 64)
	setDefault(&c.MaxFollowers, 2000)
	setDefault(&c.PollMin, 500*time.Millisecond)
	setDefault(&c.PollMax, 15*time.Second)
	setDefault(&c.RetryPause, time.Second)
	setDefault(&c.Wait, 45*time.Second)
	setDefault(&c.Linger, 5*time.Second)
	setDefault(&c.Await, 20*time.Second)
	setDefault(&c.Logger, slog.New(slog.DiscardHandler))
	if c.Unreached == nil {
		c.Unreached = func(types.NamespacedName) {}
	}
	if c.Reached == nil {
		c.Reached = func(types.NamespacedName) {}
	}
	if c.Resolve == nil {
		c.Resolve = net.DefaultResolver.LookupNetIP
	}
	if c.DialContext == nil {
		c.DialContext = (&net.Dialer{KeepAliveConfig: keepAlive()}).DialContext
	}
	return c
}

// Pool contains the connections to machines. It is safe for concurrent use.
type Pool struct {
	config    Config
	ctx       context.Context
	stop      context.CancelFunc
	running   sync.WaitGroup
	dials     *turns.Gate
	attempts  *turns.Gate // for machines that are believed to be unreachable
	followers *turns.Gate
	answers   *answers
	engines   *engines
	memory    *memory

	mu        sync.Mutex
	stopped   bool
	clients   map[clientKey]*client
	endpoints map[endpointKey]*endpoint
	// completing are the queues of completions; see Complete.
	completing map[endpointKey][]Completion
}

// NewPool returns a Pool. It connects to nothing by itself.
func NewPool(config Config) *Pool {
	config = config.withDefaults()
	ctx, stop := context.WithCancel(context.Background())
	return &Pool{config: config, ctx: ctx, stop: stop, engines: newEngines(config.EngineDir), memory: newMemory(),
		dials: turns.NewGate(config.MaxDials, config.MaxDials/2), attempts: turns.NewGate(config.MaxDials, config.MaxDials/2),
		followers: turns.NewGate(config.MaxFollowers, config.MaxFollowers*3/4), answers: newAnswers(),
		clients: map[clientKey]*client{}, endpoints: map[endpointKey]*endpoint{}, completing: map[endpointKey][]Completion{}}
}

// Context returns a context that ends when the Pool closes.
func (p *Pool) Context() context.Context { return p.ctx }

// drain is how long Close waits for the Pool's goroutines.
const drain = 5 * time.Second

// Start waits until the context ends, then closes the Pool. It is a manager's Runnable.
func (p *Pool) Start(ctx context.Context) error {
	<-ctx.Done()
	p.Close()
	return nil
}

// Close ends the Pool's work, without ending a script, and closes the connections. A closed Pool calls no machine.
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
func (p *Pool) spawn(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return
	}
	p.running.Go(f)
}

// pause waits, and returns false if the context ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
