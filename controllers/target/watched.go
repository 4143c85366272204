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
	// maxChecks is how many machines are checked at once, at most half of them in one namespace.
	maxChecks = 256
	// drain is how long Start waits for running checks when it ends.
	drain = 5 * time.Second
	// maxRequest limits the stored value of the annotation that requests a check, in bytes.
	maxRequest = 256
)

// entry is the state of the health checks of one target. At most one check of it runs at a time.
type entry struct {
	uid         types.UID
	fingerprint string
	// soon requests the next check after soonPause.
	soon bool
	// asked is the value of the annotation that requested the newest check.
	asked string
	last  *result
	next  time.Time
	// spec and interval are those of the last pass. timer starts the next check of a healthy machine without another pass; nil
	// if the next pass does.
	spec     checkSpec
	interval time.Duration
	timer    *time.Timer
	// notified is the time of the last result of which the target was notified.
	notified time.Time
	failures int
	// stop cancels the running check; nil if none is running. The entry of a deleted target stays until that check has ended.
	stop context.CancelFunc
	gone bool
}

// checker schedules and runs health checks. It is safe for concurrent use. It has one entry in memory for each target, which
// is removed with the target. If it is lost, each target is checked once more.
type checker struct {
	machines Machines
	notify   func(types.NamespacedName)
	// valid reports whether a check can be repeated as it is: the operator's identity is the same.
	valid  func(ctx context.Context, w checkSpec) bool
	slots  *turns.Gate
	now    func() time.Time
	counts counts

	ctx     context.Context
	end     context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	targets map[types.NamespacedName]*entry
	failing int // the number of targets with failures
}

func newChecker(machines Machines, notify func(types.NamespacedName), now func() time.Time) *checker {
	ctx, end := context.WithCancel(context.Background())
	return &checker{machines: machines, notify: notify, valid: func(context.Context, checkSpec) bool { return true }, slots: turns.NewGate(maxChecks, maxChecks/2), now: now, ctx: ctx, end: end,
		targets: map[types.NamespacedName]*entry{}}
}

// Start cancels the checks when ctx ends. It implements manager.Runnable.
func (c *checker) Start(ctx context.Context) error {
	<-ctx.Done()
	c.mu.Lock()
	c.end() // no check starts from here on
	c.mu.Unlock()
	done := make(chan struct{})
	go func() {
		c.running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(drain):
	}
	return nil
}

// checkSoon reports that an action could not reach the machine, and requests a check soon.
func (c *checker) checkSoon(name types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.targets[name]; at != nil {
		at.soon = true
	}
}

// reached reports that the machine answered a request. If it was unreachable at the last check, it is checked soon.
func (c *checker) reached(name types.NamespacedName) {
	c.mu.Lock()
	at := c.targets[name]
	changed := at != nil && !at.soon && at.last != nil && at.last.Err != nil
	if changed {
		at.soon = true
	}
	c.mu.Unlock()
	if changed {
		c.notify(name)
	}
}

// forget removes a target, and cancels its running check.
func (c *checker) forget(name types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.targets[name]
	switch {
	case at == nil:
	case at.stop == nil:
		at.disarm()
		c.setFailures(at, 0)
		delete(c.targets, name)
	default:
		at.stop()
		at.gone = true
	}
}

// latest returns the newest result for the fingerprint, nil if there is none yet, and starts a check if one is due. again is
// when to call latest the next time; 0 means when notified.
func (c *checker) latest(t *v1alpha1.DeploymentTarget, fingerprint string, interval time.Duration, w checkSpec) (newest *result, again time.Duration) {
	name := types.NamespacedName{Namespace: t.Namespace, Name: t.Name}
	if interval == 0 {
		c.forget(name)
		return nil, 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.entryOf(name, t.UID, fingerprint)
	at.spec, at.interval = w, interval
	if at.stop != nil {
		return at.last, 0
	}
	due, asked := at.next, request(t)
	if (at.soon || asked != "" && asked != at.asked) && at.last != nil {
		due = minTime(due, at.last.At.Add(soonPause))
	}
	if now := c.now(); now.Before(due) {
		if due.Equal(at.next) && c.arm(name, at) {
			return at.last, 0
		}
		return at.last, due.Sub(now)
	}
	w.asked, w.away = asked, at.last != nil && at.last.away()
	c.start(name, at, w)
	return at.last, 0
}

// request returns the value of the annotation that requests a check; empty if it was handled already.
func request(t *v1alpha1.DeploymentTarget) string {
	token := text.Cut(t.Annotations[v1alpha1.AnnotationCheck], maxRequest)
	if token == t.Status.LastHandledCheck {
		return ""
	}
	return token
}

// entryOf returns the entry of a target, and creates it if there is none. The state of another target of that name, or of
// another fingerprint, is removed. If a check of it is still running, it is cancelled, and its end enqueues the target.
func (c *checker) entryOf(name types.NamespacedName, uid types.UID, fingerprint string) *entry {
	at := c.targets[name]
	if at == nil {
		at = &entry{uid: uid, fingerprint: fingerprint}
		c.targets[name] = at
	}
	if at.gone || at.uid != uid || at.fingerprint != fingerprint {
		if at.stop != nil {
			at.stop()
		}
		at.disarm()
		c.setFailures(at, 0)
		*at = entry{uid: uid, fingerprint: fingerprint, stop: at.stop}
	}
	return at
}

// start starts a check. The caller holds the lock.
func (c *checker) start(name types.NamespacedName, at *entry, w checkSpec) {
	if c.ctx.Err() != nil {
		return
	}
	at.disarm()
	interval := at.interval
	ctx, cancel := context.WithCancel(c.ctx)
	at.stop, at.soon, at.asked = cancel, false, w.asked
	c.running.Go(func() {
		defer cancel()
		c.check(ctx, name, at, interval, w)
	})
}

// check does one check and stores the result, unless the check was cancelled.
func (c *checker) check(ctx context.Context, name types.NamespacedName, at *entry, interval time.Duration, w checkSpec) {
	found := c.connectFirst(ctx, w)
	if found == nil && c.slots.Enter(ctx, name.Namespace) == nil {
		bounded, cancel := context.WithTimeout(ctx, checkTimeout+w.timeout)
		found = c.run(bounded, w)
		cancel()
		c.slots.Leave(name.Namespace)
	}
	if c.record(ctx, name, at, found, interval, w.asked) && c.ctx.Err() == nil {
		c.notify(name)
	}
}

// record stores the result of a check. It reports whether the target must be notified: not if the machine is as healthy as it
// was, unless status.lastHealthCheck may be due.
func (c *checker) record(ctx context.Context, name types.NamespacedName, at *entry, found *result, interval time.Duration, asked string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at.stop = nil
	if at.gone {
		c.setFailures(at, 0)
		delete(c.targets, name)
	}
	if found == nil || ctx.Err() != nil {
		return true
	}
	before := at.last
	found.At, found.Asked = c.now(), asked
	c.counts.add(found)
	if at.gone {
		return true
	}
	c.store(at, found, interval)
	notify := at.soon || before == nil || !found.same(before) || found.At.Sub(at.notified) >= refreshAfter
	if notify {
		at.notified = found.At
		return true
	}
	return !c.arm(name, at)
}

// connectFirst connects to a machine that was unreachable at the last check, so that it does not take one of maxChecks places
// while it stays unreachable. It returns nil if the full check can run.
func (c *checker) connectFirst(ctx context.Context, w checkSpec) *result {
	if !w.away {
		return nil
	}
	if err := c.machines.Reachable(ctx, w.machine); err != nil {
		return &result{Err: err}
	}
	return nil
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
