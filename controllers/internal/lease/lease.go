package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// ErrNotLeader is wrapped in the errors of operations that only the leader may do.
var ErrNotLeader = errors.New("this operator is not the leader")

// checkEvery is how often Run checks whether the fence has closed. A closed fence stops requests earlier.
const checkEvery = 500 * time.Millisecond

// reading is the time of both clocks.
type reading struct {
	wall time.Time
	mono time.Duration
}

// since returns how much time has passed, by the clock for which it is longer.
func (r reading) since(before reading) time.Duration {
	return max(r.wall.Sub(before.wall), r.mono-before.mono)
}

var started = time.Now() //nolint:gochecknoglobals // the zero of the monotonic clock

func readClocks() reading {
	now := time.Now()
	return reading{wall: now.Round(0), mono: now.Sub(started)}
}

// Lease is a resource lock that knows when it expires. A nil Lease is for an operator without leader election: its
// fence is always open.
type Lease struct {
	resourcelock.Interface
	duration time.Duration
	read     func() reading

	mu sync.Mutex
	// renewed is when the last successful renewal was begun; nil while this process is not the leader.
	renewed *reading
	// lost is why this process must not act any more; it is never reset.
	lost error
	trip chan struct{}
}

// New returns a Lease for a lock. The duration is the lease duration of the leader election.
func New(lock resourcelock.Interface, duration time.Duration) *Lease {
	// The record of a lease has whole seconds, and other operators use the record.
	return &Lease{Interface: lock, duration: duration.Truncate(time.Second), read: readClocks, trip: make(chan struct{})}
}

// Fence returns nil while this process may act as the leader.
func (l *Lease) Fence() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fence()
}

func (l *Lease) fence() error {
	if l.lost != nil {
		return l.lost
	}
	if l.renewed == nil {
		return ErrNotLeader
	}
	if passed := l.read().since(*l.renewed); passed >= l.duration {
		l.lose(fmt.Errorf("%w any more: the lease was last renewed %s ago and lasts %s, so another operator may have taken over", ErrNotLeader, passed.Round(time.Millisecond), l.duration))
	}
	return l.lost
}

func (l *Lease) lose(why error) {
	l.lost = why
	close(l.trip)
}

// Get implements resourcelock.Interface. If another process holds the lease, this one is no longer the leader.
func (l *Lease) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if err != nil {
		return nil, nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.renewed != nil && l.lost == nil && record.HolderIdentity != "" && record.HolderIdentity != l.Identity() {
		l.lose(fmt.Errorf("%w any more: %s has taken over", ErrNotLeader, record.HolderIdentity))
	}
	return record, raw, nil
}

// Create implements resourcelock.Interface.
func (l *Lease) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(record, func() error { return l.Interface.Create(ctx, record) })
}

// Update implements resourcelock.Interface: it renews the lease, takes it over, or gives it up.
func (l *Lease) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(record, func() error { return l.Interface.Update(ctx, record) })
}

// write sends a record. A lost lease is not released, because another process has it.
func (l *Lease) write(record resourcelock.LeaderElectionRecord, send func() error) error {
	begun := l.read()
	if err := l.begin(record.HolderIdentity == l.Identity()); err != nil {
		return err
	}
	if err := send(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost == nil && record.HolderIdentity == l.Identity() {
		l.renewed = &begun
	}
	return nil
}

// begin closes the fence before the lease is released. It returns an error if the lease was lost and must not be written.
func (l *Lease) begin(renews bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.renewed == nil {
		return l.lost
	}
	if err := l.fence(); err != nil {
		return err
	}
	if !renews {
		l.renewed = nil
	}
	return nil
}

// Run calls start and returns its result. If the fence of a leader closes, it cancels the context of start and returns
// at once, without waiting for start. The process must end then.
func (l *Lease) Run(ctx context.Context, start func(context.Context) error) error {
	if l == nil {
		return start(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- start(ctx) }()
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-l.trip:
			return l.Fence()
		case <-tick.C:
			_ = l.Fence() // it closes trip
		}
	}
}
