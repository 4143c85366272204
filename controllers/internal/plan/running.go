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
	// prepareTimeout is how long an action may wait before it is sent: its target may be in the middle of a step, and
	// keeps the run from ending until then.
	prepareTimeout = time.Hour
	// prepareTimeoutSuperseded is that of a run that was superseded, as another one waits for it.
	prepareTimeoutSuperseded = time.Minute
)

// watchAll goes through what is running, by step and target: it lets go of targets that are no longer the run's, cancels
// what takes too long or must not go on, and gives up what does not end.
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
		p.end(m, l, v1alpha1.StepCancelled, reason, message+", "+m.meanwhile(l, a))
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

// meanwhile says what became of an action whose target is no longer the run's.
func (m *machine) meanwhile(l leaf, a *ledger.Attempt) string {
	if !a.Sent {
		return fmt.Sprintf("before %s was sent to it", l.path)
	}
	return fmt.Sprintf("while %s ran; what it does is no longer followed: %s", l.path, m.where(a))
}

// abandon gives up an action that does not end though it was cancelled.
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

// deadline is when a running action must be cancelled, or given up where it is not sent.
func (p *pass) deadline(l leaf, a *ledger.Attempt) time.Time {
	due := p.timeout(l, a)
	if p.v.Stop == Cancel {
		due = earliest(due, p.v.StopSince)
	}
	return due
}

// timeout is the deadline of an action in a run that nobody cancels.
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

// overdue says why an action must end whose deadline has passed.
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

// giveUpTime is when an action that is not sent has waited for too long.
func (p *pass) giveUpTime(a *ledger.Attempt) time.Time {
	start := p.startTime(a)
	due := start.Add(prepareTimeout)
	if p.v.Stop == Supersede {
		due = earliest(due, latest(start, p.v.StopSince).Add(prepareTimeoutSuperseded))
	}
	return due
}

// startTime is when an action was written as Running.
func (p *pass) startTime(a *ledger.Attempt) time.Time {
	if a.StartTime.IsZero() {
		return p.v.Now
	}
	return a.StartTime
}

// where names the machine and the processes of an action.
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
