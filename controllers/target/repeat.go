package target

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// arm makes the next check of a healthy machine start at its time, and reports whether it will. A pass would find nothing to
// write. The caller holds the lock.
func (c *checker) arm(name types.NamespacedName, at *entry) bool {
	if at.last == nil || !at.last.healthy() {
		return false
	}
	at.disarm()
	var timer *time.Timer
	timer = time.AfterFunc(at.next.Sub(c.now()), func() {
		c.mu.Lock()
		current, w := at.timer == timer, at.spec
		c.mu.Unlock()
		if current {
			c.repeat(name, at, w)
		}
	})
	at.timer = timer
	return true
}

// disarm leaves the next check to a pass.
func (at *entry) disarm() {
	if at.timer != nil {
		at.timer.Stop()
		at.timer = nil
	}
}

// repeat starts the next check of a healthy machine, or leaves it to a pass if anything has changed.
func (c *checker) repeat(name types.NamespacedName, at *entry, w checkSpec) {
	if !c.valid(c.ctx, w) {
		c.notify(name)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case at.timer == nil || at.stop != nil:
	case c.now().Before(at.next):
		c.arm(name, at)
	default:
		c.start(name, at, at.spec)
	}
}

// sameIdentity reports whether the operator's identity is still the one of a check.
func (r *Reconciler) sameIdentity(ctx context.Context, w checkSpec) bool {
	identity, err := r.Identities.For(ctx, w.machine.Namespace)
	return err == nil && identity.Thumbprint == w.machine.Identity.Thumbprint
}
