package plan

import (
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
)

const (
	// cancelGrace is how long after a step's timeout the operator waits for the machine to enforce it by itself.
	cancelGrace = 30 * time.Second
	// prepareTimeout is how long an action may wait before it is sent. The run cannot end while an action waits, and the
	// target may be in the middle of a rolling step.
	prepareTimeout = time.Hour
	// prepareTimeoutSuperseded is the same for a superseded run. It is shorter, because the next run waits for it.
	prepareTimeoutSuperseded = time.Minute
)

// watchAll checks all running actions, by step and target: it ends those of targets that no longer belong to the run,
// cancels those that take too long or must not continue, and gives up those that do not end.
func (p *pass) watchAll() {
	for i, flight := range p.flights {
		for _, m := range flight {
			p.watch(m, p.leaves[i])
		}
	}
}

func (p *pass) watch(m *machine, l leaf) {
	a := m.attempts[l.index]
	if m.Availability == Deleted || m.Availability == Changed {
		reason, message := m.goneReason()
		p.end(m, l, v1alpha1.StepCancelled, reason, message+" "+m.meanwhile(l, a))
		return
	}
	if due := p.deadline(l, a); p.v.Now.Before(due) {
		p.wake(due.Sub(p.v.Now))
		return
	}
	why := p.overdue(l, a)
	switch {
	case !a.Sent && p.v.Stop != Cancel:
		p.d.GiveUp = append(p.d.GiveUp, Key{Target: m.index, Leaf: l.index})
		p.note("%s %s is given up: %s%s", m.Name, l.path, why, because(explain(a.Reason, a.Message)))
		p.wake(p.v.CancelDeadline)
	case a.CancelTime.IsZero():
		p.d.Cancel = append(p.d.Cancel, Key{Target: m.index, Leaf: l.index})
		p.note("%s %s is cancelled: %s", m.Name, l.path, why)
		p.wake(p.v.CancelDeadline)
	default:
		p.abandon(m, l, a, why)
	}
}

// meanwhile says how far an action was when its target no longer belonged to the run.
func (m *machine) meanwhile(l leaf, a *ledger.Attempt) string {
	if !a.Sent {
		return fmt.Sprintf("before %s was sent to it", l.path)
	}
	return fmt.Sprintf("while %s was running; its result is no longer tracked: %s", l.path, m.where(a))
}

// abandon ends an action that has not ended at the cancel deadline.
func (p *pass) abandon(m *machine, l leaf, a *ledger.Attempt, why string) {
	if end := a.CancelTime.Add(p.v.CancelDeadline); p.v.Now.Before(end) {
		p.wake(end.Sub(p.v.Now))
		return
	}
	if m.Availability == Unavailable || m.Availability == Untrusted {
		p.end(m, l, v1alpha1.StepLost, v1alpha1.ReasonLost,
			fmt.Sprintf("%s; the machine cannot be reached, so the result is not known: %s", why, m.where(a)))
		return
	}
	p.end(m, l, v1alpha1.StepAbandoned, v1alpha1.ReasonAbandoned,
		fmt.Sprintf("%s, and it did not end within %s of being cancelled: %s", why, p.v.CancelDeadline, m.where(a)))
}

// deadline returns when a running action must be cancelled, or given up if it is not sent.
func (p *pass) deadline(l leaf, a *ledger.Attempt) time.Time {
	due := p.timeout(l, a)
	if p.v.Stop == Cancel {
		due = earliest(due, p.v.StopSince)
	}
	return due
}

// timeout returns the deadline of an action in a run that is not cancelled.
func (p *pass) timeout(l leaf, a *ledger.Attempt) time.Time {
	switch {
	case !a.Sent:
		return p.giveUpTime(a)
	case a.Begun.IsZero():
		return latest(p.startTime(a), a.SentTime).Add(2*l.timeout + cancelGrace)
	default:
		return a.Begun.Add(l.timeout + cancelGrace)
	}
}

// overdue says why an action whose deadline has passed must end.
func (p *pass) overdue(l leaf, a *ledger.Attempt) string {
	switch {
	case p.v.Stop == Cancel && p.v.StopSince.Before(p.timeout(l, a)):
		return "the run was cancelled"
	case !a.Sent && p.giveUpTime(a).Before(p.startTime(a).Add(prepareTimeout)):
		return fmt.Sprintf("the run was superseded, and it was not sent within %s", prepareTimeoutSuperseded)
	case !a.Sent:
		return fmt.Sprintf("it was not sent within %s", prepareTimeout)
	case a.Begun.IsZero():
		return fmt.Sprintf("no start was reported within %s", 2*l.timeout)
	default:
		return fmt.Sprintf("it took longer than %s", l.timeout)
	}
}

// giveUpTime returns when an action that is not sent has waited too long.
func (p *pass) giveUpTime(a *ledger.Attempt) time.Time {
	start := p.startTime(a)
	due := start.Add(prepareTimeout)
	if p.v.Stop == Supersede {
		due = earliest(due, latest(start, p.v.StopSince).Add(prepareTimeoutSuperseded))
	}
	return due
}

// startTime returns when an action was written as Running.
func (p *pass) startTime(a *ledger.Attempt) time.Time {
	if a.StartTime.IsZero() {
		return p.v.Now
	}
	return a.StartTime
}

// where names the machine and the remaining processes of an action.
func (m *machine) where(a *ledger.Attempt) string {
	host := a.Host
	if host == "" {
		host = m.Host
	}
	return Where(m.Name, host, a.Pids)
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
