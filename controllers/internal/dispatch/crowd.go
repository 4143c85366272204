package dispatch

import (
	"container/list"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// crowd bounds how many actions of one namespace are carried out at once, and how many of those are on their way to the
// machine. Each takes a goroutine and what it works with, many times what an action takes that waits; and thousands are
// dispatched at once of which few can be connected to at once. The Dispatcher's lock guards it.
type crowd struct {
	most, mostStarting int
	going, starting    map[string]int
	waiting            map[string]*list.List // of *action, the next first
}

func newCrowd(most, mostStarting int) crowd {
	return crowd{most: most, mostStarting: mostStarting, going: map[string]int{}, starting: map[string]int{}, waiting: map[string]*list.List{}}
}

// enter tells whether an action may go, and lets it wait for its turn if not.
func (c crowd) enter(act *action) bool {
	namespace := act.Owner.Namespace
	if c.room(namespace) {
		c.count(act)
		return true
	}
	if c.waiting[namespace] == nil {
		c.waiting[namespace] = list.New()
	}
	act.turn = c.waiting[namespace].PushBack(act)
	return false
}

func (c crowd) room(namespace string) bool {
	return c.going[namespace] < c.most && c.starting[namespace] < c.mostStarting
}

// full tells whether a namespace has as many actions as it may.
func (c crowd) full(namespace string) bool { return c.going[namespace] >= c.most }

func (c crowd) count(act *action) {
	c.going[act.Owner.Namespace]++
	c.starting[act.Owner.Namespace]++
	act.starting = true
}

// leave ends the turn of one that went, and gives the next that may go; nil if there is none.
func (c crowd) leave(act *action) *action {
	namespace := act.Owner.Namespace
	c.reached(act)
	if c.going[namespace]--; c.going[namespace] == 0 {
		delete(c.going, namespace)
	}
	return c.next(namespace)
}

// reached notes that an action is not on its way to the machine any more, and tells whether it was.
func (c crowd) reached(act *action) bool {
	namespace := act.Owner.Namespace
	if !act.starting {
		return false
	}
	if c.starting[namespace]--; c.starting[namespace] == 0 {
		delete(c.starting, namespace)
	}
	act.starting = false
	return true
}

// next gives a turn to the next that waits; nil if there is none.
func (c crowd) next(namespace string) *action {
	queue := c.waiting[namespace]
	if queue == nil || !c.room(namespace) {
		return nil
	}
	next, ok := queue.Front().Value.(*action)
	if !ok || !c.take(next) {
		return nil
	}
	c.count(next)
	return next
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

// launch lets an action go, or says in its report that it waits; then the owner is to be told. That others are on their way
// to their machines is no news. The lock is held.
func (d *Dispatcher) launch(act *action) (waits bool) {
	if d.crowd.enter(act) {
		d.run(act)
		return false
	}
	if !d.crowd.full(act.Owner.Namespace) {
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
			act = d.crowd.leave(act)
			d.mu.Unlock()
		}
	})
}

// arrived lets the next action go to its machine: this one has got there, or waits for something else.
func (r *runner) arrived() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.crowd.reached(r.action) {
		return
	}
	if next := r.crowd.next(r.Owner.Namespace); next != nil {
		r.run(next)
	}
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
