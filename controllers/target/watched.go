package target

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/text"
	"github.com/mantledeploy/mantle/controllers/internal/turns"
)

const (
	// maxLooks is how many machines are looked at at once; those of one namespace are at most half of them.
	maxLooks = 256
	// drain is how long Start waits for looks when it ends.
	drain = 5 * time.Second
	// maxRequest bounds what is kept of a request of a person, in bytes.
	maxRequest = 256
)

// watched is what is known of a target's machine. Only one look at it is under way at a time.
type watched struct {
	uid         types.UID
	fingerprint string
	poked       bool
	// asked is the request of a person that the newest look was begun for.
	asked    string
	last     *finding
	next     time.Time
	failures int
	// stop ends the look that is under way; nil if none is. The entry outlives its target until that look has ended.
	stop context.CancelFunc
	gone bool
}

// looks schedules them. It is safe for concurrent use. In memory is one entry for each target, by name; it goes with its
// target, and what its loss costs is one look.
type looks struct {
	machines Machines
	notify   func(types.NamespacedName)
	slots    *turns.Gate
	now      func() time.Time
	counts   counts

	ctx     context.Context
	end     context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	targets map[types.NamespacedName]*watched
	failing int // how many of them have failures
}

func newLooks(machines Machines, notify func(types.NamespacedName), now func() time.Time) *looks {
	ctx, end := context.WithCancel(context.Background())
	return &looks{machines: machines, notify: notify, slots: turns.NewGate(maxLooks, maxLooks/2), now: now, ctx: ctx, end: end,
		targets: map[types.NamespacedName]*watched{}}
}

// Start ends the looks when the context ends. It is a manager's Runnable.
func (ls *looks) Start(ctx context.Context) error {
	<-ctx.Done()
	ls.mu.Lock()
	ls.end() // no look begins from here on
	ls.mu.Unlock()
	done := make(chan struct{})
	go func() {
		ls.running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(drain):
	}
	return nil
}

// poke says that somebody could not reach the machine: look soon.
func (ls *looks) poke(name types.NamespacedName) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if at := ls.targets[name]; at != nil {
		at.poked = true
	}
}

// reached says that somebody had an answer of the machine: where it is said to be away, look soon.
func (ls *looks) reached(name types.NamespacedName) {
	ls.mu.Lock()
	at := ls.targets[name]
	news := at != nil && !at.poked && at.last != nil && at.last.Err != nil
	if news {
		at.poked = true
	}
	ls.mu.Unlock()
	if news {
		ls.notify(name)
	}
}

// forget drops a target, and ends the look at it.
func (ls *looks) forget(name types.NamespacedName) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	at := ls.targets[name]
	switch {
	case at == nil:
	case at.stop == nil:
		ls.fails(at, 0)
		delete(ls.targets, name)
	default:
		at.stop()
		at.gone = true
	}
}

// see gives the newest finding for the fingerprint, nil where nobody has looked yet, and starts a look where one is due.
// again is when to ask next; zero means only when notified.
func (ls *looks) see(t *v1alpha1.DeploymentTarget, fingerprint string, interval time.Duration, w wanted) (newest *finding, again time.Duration) {
	name := types.NamespacedName{Namespace: t.Namespace, Name: t.Name}
	if interval == 0 {
		ls.forget(name)
		return nil, 0
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	at := ls.entry(name, t.UID, fingerprint)
	if at.stop != nil {
		return at.last, 0
	}
	due, asked := at.next, request(t)
	if (at.poked || asked != "" && asked != at.asked) && at.last != nil {
		due = minTime(due, at.last.At.Add(pokePause))
	}
	if now := ls.now(); now.Before(due) {
		return at.last, due.Sub(now)
	}
	w.asked, w.away = asked, at.last != nil && at.last.away()
	ls.begin(name, at, interval, w)
	return at.last, 0
}

// request is what a person asks for with an annotation; empty if it was handled.
func request(t *v1alpha1.DeploymentTarget) string {
	token := text.Cut(t.Annotations[v1alpha1.AnnotationCheck], maxRequest)
	if token == t.Status.LastHandledCheck {
		return ""
	}
	return token
}

// entry is that of a target. What was found out of another target of that name, or with another fingerprint, does not
// count; a look that is still under way for it is ended, and its end enqueues the target.
func (ls *looks) entry(name types.NamespacedName, uid types.UID, fingerprint string) *watched {
	at := ls.targets[name]
	if at == nil {
		at = &watched{uid: uid, fingerprint: fingerprint}
		ls.targets[name] = at
	}
	if at.gone || at.uid != uid || at.fingerprint != fingerprint {
		if at.stop != nil {
			at.stop()
		}
		ls.fails(at, 0)
		*at = watched{uid: uid, fingerprint: fingerprint, stop: at.stop}
	}
	return at
}

// begin starts a look. The lock is held.
func (ls *looks) begin(name types.NamespacedName, at *watched, interval time.Duration, w wanted) {
	if ls.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancel(ls.ctx)
	at.stop, at.poked, at.asked = cancel, false, w.asked
	ls.running.Go(func() {
		defer cancel()
		ls.look(ctx, name, at, interval, w)
	})
}

// look does one look and stores what it found, unless that does not count any more.
func (ls *looks) look(ctx context.Context, name types.NamespacedName, at *watched, interval time.Duration, w wanted) {
	found := ls.tryAway(ctx, w)
	if found == nil && ls.slots.Enter(ctx, name.Namespace) == nil {
		bounded, cancel := context.WithTimeout(ctx, lookTimeout+w.timeout)
		found = ls.find(bounded, w)
		cancel()
		ls.slots.Leave(name.Namespace)
	}
	ls.mu.Lock()
	at.stop = nil
	if at.gone {
		ls.fails(at, 0)
		delete(ls.targets, name)
	}
	if found != nil && ctx.Err() == nil {
		found.At, found.Asked = ls.now(), w.asked
		ls.counts.add(found)
		ls.note(at, found, interval)
	}
	ls.mu.Unlock()
	if ls.ctx.Err() == nil {
		ls.notify(name)
	}
}

// tryAway connects to a machine that was away, before it takes a place among those that answer. The answer is nil if it can be
// connected to now.
func (ls *looks) tryAway(ctx context.Context, w wanted) *finding {
	if !w.away {
		return nil
	}
	if err := ls.machines.Reachable(ctx, w.machine); err != nil {
		return &finding{Err: err}
	}
	return nil
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
