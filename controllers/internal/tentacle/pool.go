package tentacle

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
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
	// CompleteAfter is how long after its result was written a ticket is completed on a machine that keeps no
	// tombstones (30 s): two lease durations, so that no leader of before can start it again.
	CompleteAfter time.Duration
	// EngineDir has the engines for machines without one, as tentacle-<os>-<arch>[.exe].
	EngineDir string
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

// keepAlive notices a peer that vanished without a word (halibut.md section 1.1).
func keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 10}
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
	set(&c.CompleteAfter, 30*time.Second)
	if c.Notify == nil {
		c.Notify = func(types.NamespacedName) {}
	}
	if c.Unreached == nil {
		c.Unreached = func(types.NamespacedName) {}
	}
	if c.DialContext == nil {
		c.DialContext = (&net.Dialer{KeepAliveConfig: keepAlive()}).DialContext
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
	engines   *engines

	mu        sync.Mutex
	stopped   bool
	actions   map[string]*action
	clients   map[clientKey]*client
	endpoints map[endpointKey]*endpoint
	// completing are the tickets that machines are still to be told of; see Complete.
	completing map[endpointKey][]completion
}

// NewPool makes a Pool. Nothing runs until it is asked.
func NewPool(config Config) *Pool {
	config = config.withDefaults()
	ctx, stop := context.WithCancel(context.Background())
	return &Pool{config: config, ctx: ctx, stop: stop, engines: newEngines(config.EngineDir),
		dials: make(chan struct{}, config.MaxDials), followers: make(chan struct{}, config.MaxFollowers),
		actions: map[string]*action{}, clients: map[clientKey]*client{}, endpoints: map[endpointKey]*endpoint{},
		completing: map[endpointKey][]completion{}}
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
