package dispatch

import (
	"container/list"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// limiter bounds how many actions of one namespace are in progress at once, and how many of those have not reached
// their machine yet. An action in progress has a goroutine and buffers and needs many times the memory of a queued one.
// A run can dispatch thousands at once, and only few can connect at the same time. The Dispatcher's lock guards it.
type limiter struct {
	max, maxStarting     int
	inProgress, starting map[string]int
	waiting              map[string]*queues
}

// queues are the actions of a namespace that wait. Those of later steps come first: what has begun is finished before
// anything else begins.
type queues struct{ later, first list.List } // of *action

func (q *queues) of(act *action) *list.List {
	if act.Later {
		return &q.later
	}
	return &q.first
}

// front returns the action that comes next; nil if none waits.
func (q *queues) front() *action {
	for _, list := range []*list.List{&q.later, &q.first} {
		if e := list.Front(); e != nil {
			act, _ := e.Value.(*action)
			return act
		}
	}
	return nil
}

func newLimiter(most, mostStarting int) limiter {
	return limiter{max: most, maxStarting: mostStarting, inProgress: map[string]int{}, starting: map[string]int{}, waiting: map[string]*queues{}}
}

// admit reports whether an action can start now, and queues it if not.
func (c limiter) admit(act *action) bool {
	namespace := act.Owner.Namespace
	if c.hasRoom(namespace) {
		c.count(act)
		return true
	}
	if c.waiting[namespace] == nil {
		c.waiting[namespace] = &queues{}
	}
	act.turn = c.waiting[namespace].of(act).PushBack(act)
	return false
}

func (c limiter) hasRoom(namespace string) bool {
	return c.inProgress[namespace] < c.max && c.starting[namespace] < c.maxStarting
}

// full reports whether a namespace has reached its limit of actions in progress.
func (c limiter) full(namespace string) bool { return c.inProgress[namespace] >= c.max }

// backlog returns how many actions of a namespace wait or have not reached their machine.
func (c limiter) backlog(namespace string) int {
	n := c.starting[namespace]
	if waiting := c.waiting[namespace]; waiting != nil {
		n += waiting.later.Len() + waiting.first.Len()
	}
	return n
}

func (c limiter) count(act *action) {
	c.inProgress[act.Owner.Namespace]++
	c.starting[act.Owner.Namespace]++
	act.starting = true
}

// release ends the turn of an action and returns the next one that can start; nil if there is none.
func (c limiter) release(act *action) *action {
	namespace := act.Owner.Namespace
	c.reached(act)
	if c.inProgress[namespace]--; c.inProgress[namespace] == 0 {
		delete(c.inProgress, namespace)
	}
	return c.next(namespace)
}

// reached stops counting an action as starting, and reports whether it did count.
func (c limiter) reached(act *action) bool {
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

// next admits and returns the next queued action; nil if there is none.
func (c limiter) next(namespace string) *action {
	waiting := c.waiting[namespace]
	if waiting == nil || !c.hasRoom(namespace) {
		return nil
	}
	next := waiting.front()
	if next == nil || !c.dequeue(next) {
		return nil
	}
	c.count(next)
	return next
}

// dequeue removes an action from its queue, and reports whether it was queued. An empty queue is deleted.
func (c limiter) dequeue(act *action) bool {
	namespace := act.Owner.Namespace
	if act.turn == nil {
		return false
	}
	waiting := c.waiting[namespace]
	waiting.of(act).Remove(act.turn)
	if act.turn = nil; waiting.front() == nil {
		delete(c.waiting, namespace)
	}
	return true
}

// launch starts an action, or queues it. waits is true if the owner must be notified that it waits: that is so if the
// limit of actions in progress is reached, not if others only need to reach their machines first. The lock is held.
func (d *Dispatcher) launch(act *action) (waits bool) {
	if d.limiter.admit(act) {
		d.run(act)
		return false
	}
	if !d.limiter.full(act.Owner.Namespace) {
		return false
	}
	act.report.Reason, act.report.Message = v1alpha1.ReasonPreparing, "waits for other actions in the namespace to end: the limit of concurrent actions is reached"
	d.note(act)
	return true
}

// run starts a goroutine that carries out an action and then those that get its place. The lock is held.
func (d *Dispatcher) run(act *action) {
	d.running.Go(func() {
		for act != nil {
			d.carryOut(act)
			d.mu.Lock()
			act = d.limiter.release(act)
			d.mu.Unlock()
		}
	})
}

// arrived lets the next action start: this one has reached its machine, or waits for something else.
func (r *runner) arrived() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.limiter.reached(r.action) {
		return
	}
	if next := r.limiter.next(r.Owner.Namespace); next != nil {
		r.run(next)
	}
}

// decide ends a queued action that was cancelled or given up. Nothing of it was sent, so that takes no time. An action
// that an earlier process may have sent stays in the queue.
func (d *Dispatcher) decide(act *action) {
	d.mu.Lock()
	waited := !act.Resume && d.limiter.dequeue(act)
	d.mu.Unlock()
	if waited {
		d.carryOut(act)
	}
}
