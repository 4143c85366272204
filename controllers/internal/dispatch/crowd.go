package dispatch

import (
	"container/list"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// crowd bounds how many actions of one namespace are carried out at once. Each takes a goroutine and what it works with,
// many times what an action takes that waits. The Dispatcher's lock guards it.
type crowd struct {
	most    int
	going   map[string]int
	waiting map[string]*list.List // of *action, the next first
}

func newCrowd(most int) crowd {
	return crowd{most: most, going: map[string]int{}, waiting: map[string]*list.List{}}
}

// enter tells whether an action may go, and lets it wait for its turn if not.
func (c crowd) enter(act *action) bool {
	namespace := act.Owner.Namespace
	if c.going[namespace] < c.most {
		c.going[namespace]++
		return true
	}
	if c.waiting[namespace] == nil {
		c.waiting[namespace] = list.New()
	}
	act.turn = c.waiting[namespace].PushBack(act)
	return false
}

// leave gives the turn of one that went to the next; nil if none waits.
func (c crowd) leave(namespace string) *action {
	if queue := c.waiting[namespace]; queue != nil {
		if next, ok := queue.Front().Value.(*action); ok && c.take(next) {
			return next
		}
	}
	if c.going[namespace]--; c.going[namespace] == 0 {
		delete(c.going, namespace)
	}
	return nil
}

// take takes an action out of those that wait, and tells whether it did. No queue stays empty.
func (c crowd) take(act *action) bool {
	namespace := act.Owner.Namespace
	if act.turn == nil {
		return false
	}
	queue := c.waiting[namespace]
	queue.Remove(act.turn)
	if act.turn = nil; queue.Len() == 0 {
		delete(c.waiting, namespace)
	}
	return true
}

// launch lets an action go, or says in its report that it waits; then the owner is to be told. The lock is held.
func (d *Dispatcher) launch(act *action) (waits bool) {
	if d.crowd.enter(act) {
		d.run(act)
		return false
	}
	act.report.Reason, act.report.Message = v1alpha1.ReasonPreparing, "it waits until other actions of the namespace have ended"
	d.note(act)
	return true
}

// run carries an action out, and those that get its turn after it. The lock is held.
func (d *Dispatcher) run(act *action) {
	d.running.Go(func() {
		for act != nil {
			d.carryOut(act)
			d.mu.Lock()
			act = d.crowd.leave(act.Owner.Namespace)
			d.mu.Unlock()
		}
	})
}

// decide ends an action that the owner decides about while it waits: nothing of it was sent, so that takes no time. One that
// an earlier process may have sent waits for its turn.
func (d *Dispatcher) decide(act *action) {
	d.mu.Lock()
	waited := !act.Resume && d.crowd.take(act)
	d.mu.Unlock()
	if waited {
		d.carryOut(act)
	}
}
