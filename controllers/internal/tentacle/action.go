package tentacle

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// action is one that was dispatched.
type action struct {
	Action
	cancelled chan struct{}
	once      sync.Once
	// dropped is closed once nobody wants the action any more.
	dropped chan struct{}
	// asked says that the machine has told which contents it has; only the action's goroutine looks at it.
	asked bool

	mu     sync.Mutex
	report Report
	// machines is the ticket by which the machine knows the script, where that is known.
	machines tentacle.ScriptTicket
}

// knownAs notes the ticket by which the machine knows the script.
func (a *action) knownAs(ticket tentacle.ScriptTicket) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.machines = ticket
}

// Dispatch begins an action and returns at once. The same ticket twice is one action.
func (p *Pool) Dispatch(a Action) {
	act := &action{Action: a, cancelled: make(chan struct{}), dropped: make(chan struct{}), report: Report{Ticket: a.Ticket, State: Sending}}
	p.mu.Lock()
	if p.actions[a.Ticket] != nil {
		p.mu.Unlock()
		return
	}
	p.actions[a.Ticket] = act
	p.mu.Unlock()
	p.spawn(func() { p.carryOut(act) })
}

// Cancel asks the machine to end the action's script, and keeps asking until it has. It returns at once.
func (p *Pool) Cancel(ticket string) {
	if act := p.find(ticket); act != nil {
		act.once.Do(func() { close(act.cancelled) })
	}
}

// Report tells what is known of an action.
func (p *Pool) Report(ticket string) (Report, bool) {
	act := p.find(ticket)
	if act == nil {
		return Report{}, false
	}
	act.mu.Lock()
	defer act.mu.Unlock()
	return act.report, true
}

// Forget drops the report of an action whose end is known. What was not sent by now is not sent any more: its target may
// have been deleted, or be another machine.
func (p *Pool) Forget(ticket string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if act := p.actions[ticket]; act != nil {
		close(act.dropped)
		delete(p.actions, ticket)
	}
}

func (p *Pool) find(ticket string) *action {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.actions[ticket]
}

// tell changes the report and notifies the owner where that matters to it.
func (p *Pool) tell(act *action, change func(*Report)) {
	act.mu.Lock()
	before := act.report
	change(&act.report)
	changed := before.State != act.report.State || before.Begun != act.report.Begun
	act.mu.Unlock()
	if changed && act.Owner != (types.NamespacedName{}) {
		p.config.Notify(act.Owner)
	}
}

// end writes the final report.
func (p *Pool) end(act *action, v verdict) {
	size := int64(0)
	if act.Log != nil {
		size = act.Log.Size()
	}
	p.tell(act, func(r *Report) {
		r.State, r.Outcome, r.Reason, r.Message = Ended, v.outcome, v.reason, v.message
		r.ExitCode, r.Result, r.Pid, r.Finished = v.exitCode, v.result, v.pid, time.Now()
		r.LogSize = size
		if v.result.Seconds > 0 {
			r.Seconds = v.result.Seconds
		} else if !r.Begun.IsZero() {
			r.Seconds = r.Finished.Sub(r.Begun).Seconds()
		}
	})
}

// sleep waits, and answers false where the context ended meanwhile.
func (p *Pool) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// lifetime bounds an action: its time-out, as long again for the machine's mutex, and room for tries and the operator's
// own cancel. The run gives an action up earlier.
func lifetime(a Action) time.Duration { return 2*a.Timeout + a.Machine.RetryDuration + 10*time.Minute }

// carryOut takes an action from its dispatch to its report.
func (p *Pool) carryOut(act *action) {
	ctx, cancel := context.WithTimeout(p.ctx, lifetime(act.Action))
	defer cancel()
	s := p.session(act.Machine)
	defer s.release()
	f := &follower{pool: p, session: s, ticket: tentacle.ScriptTicket{TaskID: act.Ticket}, scanner: step.NewScanner(act.Plan.Nonce),
		sink: act.Log, cancelled: act.cancelled, dropped: act.dropped, patience: lifetime(act.Action), unreached: s.unreached,
		waiting: func(state tentacle.ProcessState) { p.observe(act, state) }}
	v, started := verdict{}, false
	if act.Resume {
		v, started = f.takeUp(ctx)
	}
	switch {
	case started || v.outcome != "":
	case act.Barred != nil:
		v = f.barred(*act.Barred)
	default:
		v, started = p.send(ctx, act, f)
	}
	if started {
		v = f.follow(ctx)
	}
	if v.result.Reason == step.ReasonContentMissing && act.Content != nil {
		s.setHolds(act.Content.SHA256, false)
	}
	if p.ctx.Err() != nil && !f.ended() {
		return // this process ends, which says nothing about the action; the next one asks the machine
	}
	p.end(act, v)
}

// observe reports that the script waits for the machine, or has begun.
func (p *Pool) observe(act *action, state tentacle.ProcessState) {
	p.tell(act, func(r *Report) {
		if state == tentacle.Pending {
			r.State = Waiting
			return
		}
		r.State = Running
		if r.Begun.IsZero() {
			r.Begun = time.Now()
		}
	})
}
