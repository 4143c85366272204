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
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// action is a dispatched Action and its state.
type action struct {
	Action
	// ctx ends when the action is removed or this process ends.
	ctx  context.Context
	stop context.CancelFunc
	// cancelled ends with Cancel, gaveUp with GiveUp; moved has an element after Relocate.
	cancelled, gaveUp context.Context
	cancel, giveUp    context.CancelFunc
	moved             chan struct{}

	dispatched time.Time

	heldMu sync.Mutex
	// endHeld cancels the pending request that the machine may hold; nil if there is none.
	endHeld context.CancelFunc

	// The Dispatcher's lock guards the fields below.

	// turn is its place in the queue of waiting actions; nil if it is not queued.
	turn *list.Element
	// starting is true while it counts against MaxStartingNamespace.
	starting bool
	report   Report
	// reported is the report as it was when the owner was last notified.
	reported Report
	// known is the ticket under which the machine has the script, empty if it has none; last is the number of the last log
	// entry that was received.
	known tentacle.ScriptTicket
	last  int64
	// starts are the tickets of all its starts, if the machine forgot some. over says that none of them still runs.
	starts []tentacle.ScriptTicket
	over   bool
}

func newAction(ctx context.Context, a Action) *action {
	act := &action{Action: a, dispatched: time.Now(), moved: make(chan struct{}, 1),
		report: Report{Ticket: a.Ticket, Target: a.Target, Step: a.Step, Phase: v1alpha1.StepRunning, Sent: a.Resume}}
	act.reported = act.report
	act.ctx, act.stop = context.WithCancel(ctx)
	act.cancelled, act.cancel = context.WithCancel(act.ctx)
	act.gaveUp, act.giveUp = context.WithCancel(act.ctx)
	return act
}

// machine returns the name of the action's target.
func (a *action) machine() types.NamespacedName {
	return types.NamespacedName{Namespace: a.Owner.Namespace, Name: a.Target}
}

// completions returns what the machine is told when the result of an action is written; c is that for its ticket. It is told
// nothing if it does not know the action, or if a start that it forgot may still run, in a folder that it would delete. The
// Dispatcher's lock is held.
func (a *action) completions(c session.Completion) []session.Completion {
	if a.report.Ended() && !a.report.Sent && a.known.TaskID == "" || len(a.starts) > 0 && !a.over {
		return nil
	}
	c.Known, c.Last = a.known, a.last
	all := []session.Completion{c}
	for _, ticket := range a.starts {
		if ticket != c.Ticket {
			also := c
			also.Ticket, also.Known = ticket, ticket
			all = append(all, also)
		}
	}
	return all
}

func (a *action) relocate() {
	select {
	case a.moved <- struct{}{}:
	default:
	}
	a.heldMu.Lock()
	defer a.heldMu.Unlock()
	if a.endHeld != nil {
		a.endHeld()
	}
}

// held returns a context for a request that the machine may hold until it has news. Relocate ends it, and so does
// Cancel if cancelToo is set.
func (a *action) held(ctx context.Context, cancelToo bool) (context.Context, context.CancelFunc) {
	ctx, endHeld := context.WithCancel(ctx)
	a.heldMu.Lock()
	a.endHeld = endHeld
	if len(a.moved) > 0 {
		endHeld() // the target moved after Locate
	}
	a.heldMu.Unlock()
	ignore := func() bool { return true }
	if cancelToo {
		ignore = context.AfterFunc(a.cancelled, endHeld)
	}
	return ctx, func() {
		ignore()
		a.heldMu.Lock()
		a.endHeld = nil
		a.heldMu.Unlock()
		endHeld()
	}
}

// differs reports whether the owner must be notified of a change.
func (r *Report) differs(before Report) bool {
	return r.Phase != before.Phase || r.Reachable != before.Reachable || r.Sent != before.Sent || r.Reason != before.Reason || r.Message != before.Message || !r.Begun.Equal(before.Begun)
}

// occupant describes another action of this operator whose script runs on the machine; empty if none is known.
func (d *Dispatcher) occupant(of *action) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	first := ""
	for _, act := range d.machines[of.machine()] {
		if act == of || act.report.Begun.IsZero() || act.report.Ended() {
			continue
		}
		if what := fmt.Sprintf("run %s, step %s", act.Owner.Name, act.Step); first == "" || what < first {
			first = what // the smallest, so that the message is stable
		}
	}
	return first
}

// maxPids bounds Report.Pids, and maxSeconds the duration that a step can report.
const (
	maxPids    = 20
	maxSeconds = float64(14 * 24 * time.Hour / time.Second)
)

// tidy limits a report to what can be shown and stored: much of it comes from the machine.
func (r *Report) tidy() {
	r.Reason, r.Message = words(r.Reason), words(r.Message)
	r.Pids = r.Pids[:min(len(r.Pids), maxPids)]
	r.Seconds = min(max(r.Seconds, 0), maxSeconds)
}
