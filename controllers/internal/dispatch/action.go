package dispatch

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// action is one that was dispatched.
type action struct {
	Action
	// ctx ends when nobody wants the action any more, or this process ends.
	ctx  context.Context
	stop context.CancelFunc
	// cancelled and gaveUp end when the owner decides so; moved has one when it relocates.
	cancelled, gaveUp context.Context
	cancel, giveUp    context.CancelFunc
	moved             chan struct{}

	dispatched time.Time

	holding sync.Mutex
	// letGo ends the question that the machine holds; nil if it holds none.
	letGo context.CancelFunc

	// What follows is guarded by the Dispatcher's lock.

	// turn is its place among those that wait for one; nil if it does not.
	turn *list.Element
	// starting says that it counts as one that is on its way to the machine.
	starting bool
	report   Report
	// told is the report that the owner was told of last.
	told Report
	// known is the ticket by which the machine knows the script, if it does, and last the number of its last entry.
	known tentacle.ScriptTicket
	last  int64
}

func newAction(ctx context.Context, a Action) *action {
	act := &action{Action: a, dispatched: time.Now(), moved: make(chan struct{}, 1),
		report: Report{Ticket: a.Ticket, Target: a.Target, Step: a.Step, Phase: v1alpha1.StepRunning, Sent: a.Resume}}
	act.told = act.report
	act.ctx, act.stop = context.WithCancel(ctx)
	act.cancelled, act.cancel = context.WithCancel(act.ctx)
	act.gaveUp, act.giveUp = context.WithCancel(act.ctx)
	return act
}

// machine is the target of the action.
func (a *action) machine() types.NamespacedName {
	return types.NamespacedName{Namespace: a.Owner.Namespace, Name: a.Target}
}

func (a *action) relocate() {
	select {
	case a.moved <- struct{}{}:
	default:
	}
	a.holding.Lock()
	defer a.holding.Unlock()
	if a.letGo != nil {
		a.letGo()
	}
}

// held is a context for a question that the machine may hold. A relocation ends it, and a cancel if that is asked for.
func (a *action) held(ctx context.Context, cancelToo bool) (context.Context, context.CancelFunc) {
	ctx, letGo := context.WithCancel(ctx)
	a.holding.Lock()
	a.letGo = letGo
	if len(a.moved) > 0 {
		letGo() // it moved since it was located
	}
	a.holding.Unlock()
	ignore := func() bool { return true }
	if cancelToo {
		ignore = context.AfterFunc(a.cancelled, letGo)
	}
	return ctx, func() {
		ignore()
		a.holding.Lock()
		a.letGo = nil
		a.holding.Unlock()
		letGo()
	}
}

// differs tells whether the owner is to be told of a change.
func (r *Report) differs(before Report) bool {
	return r.Phase != before.Phase || r.Reachable != before.Reachable || r.Sent != before.Sent || r.Reason != before.Reason || r.Message != before.Message || !r.Begun.Equal(before.Begun)
}

// occupant names another action of ours whose script runs on the machine; empty if none is known.
func (d *Dispatcher) occupant(of *action) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	first := ""
	for _, act := range d.machines[of.machine()] {
		if act == of || act.report.Begun.IsZero() || act.report.Ended() {
			continue
		}
		if what := fmt.Sprintf("run %s, step %s", act.Owner.Name, act.Step); first == "" || what < first {
			first = what // the same each time
		}
	}
	return first
}

// maxPids bounds Report.Pids, and maxSeconds how long a step may say that it took.
const (
	maxPids    = 20
	maxSeconds = float64(14 * 24 * time.Hour / time.Second)
)

// tidy holds a report to what may be shown and stored: much of it is what a machine said.
func (r *Report) tidy() {
	r.Reason, r.Message = words(r.Reason), words(r.Message)
	r.Pids = r.Pids[:min(len(r.Pids), maxPids)]
	r.Seconds = min(max(r.Seconds, 0), maxSeconds)
}
