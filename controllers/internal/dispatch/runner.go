package dispatch

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// stage is what an action does next.
type stage int

// The stages of an action.
const (
	// over means that it has reported its end, or that there is nobody to report to.
	over stage = iota
	trying
	finding
	preparing
	sending
	following
)

// runner takes one action from its dispatch to its report, in one goroutine.
type runner struct {
	*Dispatcher
	*action
	// session is the use of the machine where it was located last; nil before that.
	session *session.Session
	script  *session.Script
	// prepared is what is sent; nil while it is not prepared, and again once it was sent. content is the digest of its
	// package.
	prepared *Prepared
	content  string
	// retries is how long the tries to send go on.
	retries time.Duration
	// maybe says that a start may have arrived; forgets that the machine cannot be asked about it, so that the next start
	// may be the second. The engine then waits for the first one and tells how that ended, but a cancel reaches only the
	// second.
	maybe, forgets bool
	// cancels is the back-off between two CancelScript, and cancelAt when the next is due; zero before the first.
	cancels  wait.Backoff
	cancelAt time.Time
	// cause is what it waits for, without the words on when it is tried again.
	cause cause
}

const (
	// longestRetry is the longest pause between two tries to reach a machine, longestPrepare between two to prepare,
	// longestCancel between two CancelScript.
	longestRetry   = 10 * time.Second
	longestPrepare = 30 * time.Second
	longestCancel  = 15 * time.Second
	// longestStart is how long an action counts as one that is on its way to a machine, which may not answer for minutes.
	longestStart = 30 * time.Second
	// announceAfter is how long an action is prepared before its owner is told that it is.
	announceAfter = time.Second
	// waits bounds how long an action waits for what it needs. Its run gives it up earlier.
	waits = 3 * time.Hour
)

// lifetime bounds an action: its time-out, as long again for the machine's mutex, and room for waits, tries and the
// operator's own cancel. The run gives an action up earlier.
func lifetime(a Action) time.Duration { return 2*a.Timeout + waits }

// carryOut takes an action from its dispatch to its report.
func (d *Dispatcher) carryOut(act *action) {
	defer act.stop()
	ctx, cancel := context.WithTimeout(act.ctx, lifetime(act.Action))
	defer cancel()
	r := &runner{Dispatcher: d, action: act, script: d.config.Sessions.NewScript(act.Ticket, step.Nonce(act.Ticket), output(act.Log)),
		cancels: session.Doubling(d.config.CancelPause, longestCancel)}
	defer r.close()
	silent := time.AfterFunc(longestStart, r.arrived)
	defer silent.Stop()
	next := preparing
	switch {
	case act.Resume:
		next, r.maybe = finding, true
	case act.Away:
		next = trying
	}
	for next != over {
		switch next {
		case trying:
			next = r.tryAway(ctx)
		case finding:
			next = r.find(ctx)
		case preparing:
			next = r.prepare(ctx)
		case sending:
			next = r.send(ctx)
		default:
			next = r.follow(ctx)
		}
	}
}

// output is the half of a LogSink that output goes into; nil if there is none.
func output(sink LogSink) session.Output {
	if sink == nil {
		return nil
	}
	return sink
}

// close lets go of the machine and of the secrets.
func (r *runner) close() {
	r.prepared = nil
	switch {
	case r.session == nil:
	case r.script.Known():
		r.session.Await()
	default:
		r.session.Close()
	}
}

var errNoIdentity = errors.New("the operator has no identity to speak with the machine")

// locateError marks an error of Locate.
type locateError struct{ error }

func (e *locateError) Unwrap() error { return e.error }

// locate is the session with the machine where it is now.
func (r *runner) locate(ctx context.Context) (*session.Session, error) {
	select {
	case <-r.moved: // which the answer takes into account
	default:
	}
	m, err := r.Locate(ctx)
	if err == nil && m.Identity == nil {
		err = errNoIdentity
	}
	if err != nil {
		return nil, &locateError{err}
	}
	r.retries = m.RetryDuration
	if r.session != nil && r.session.Reaches(m) {
		return r.session, nil
	}
	if r.session != nil {
		r.session.Close()
	}
	r.session = r.config.Sessions.Open(m)
	r.tell(r.action, func(report *Report) { report.Host = m.Address })
	return r.session, nil
}

// rest waits. It ends early if the owner decides, unless that is known, or the target is somewhere else.
func (r *runner) rest(ctx context.Context, d time.Duration) {
	r.arrived()
	cancelled, gaveUp := r.cancelled.Done(), r.gaveUp.Done()
	if r.cancelled.Err() != nil {
		cancelled = nil
	}
	if r.gaveUp.Err() != nil {
		gaveUp = nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-cancelled:
	case <-gaveUp:
	case <-r.moved:
	case <-ctx.Done():
	}
}

// waitsFor says in the report what the action waits for, and when it is tried again.
func (r *runner) waitsFor(c cause, again string) {
	r.cause = c
	r.tell(r.action, func(report *Report) { report.Reason, report.Message = c.Reason, c.Message+again })
}

// goesOn says in the report that the action waits for nothing.
func (r *runner) goesOn() { r.waitsFor(cause{}, "") }

// end reports how the action ended. The report has what is known so far.
func (r *runner) end(change func(*Report)) stage {
	size := int64(0)
	if r.Log != nil {
		size = r.Log.Size()
	}
	r.tell(r.action, func(report *Report) {
		report.Sent, report.Reason, report.Message = r.maybe, "", ""
		report.Finished, report.LogSize = time.Now(), size
		if r.script.Known() {
			r.known, r.last = r.script.Ticket(), r.script.Last()
		}
		change(report)
		if report.Seconds == 0 && !report.Begun.IsZero() {
			report.Seconds = report.Finished.Sub(report.Begun).Seconds()
		}
		r.Locate, r.Prepare, r.Log = nil, nil, nil // an action that has ended keeps nothing alive
	})
	return over
}

func (r *runner) ends(phase v1alpha1.StepPhase, c cause) stage {
	return r.end(func(report *Report) { report.Phase, report.Reason, report.Message = phase, c.Reason, c.Message })
}

// unsent reports the end of an action of which nothing began.
func (r *runner) unsent(phase v1alpha1.StepPhase, c cause) stage {
	return r.end(func(report *Report) {
		report.Sent = false
		report.Phase, report.Reason, report.Message = phase, c.Reason, c.Message
	})
}

func (r *runner) lost(message string) stage {
	return r.ends(v1alpha1.StepLost, cause{v1alpha1.ReasonLost, message})
}

// abandoned tells whether nobody is to be told of the action any more: it was dropped, or this process ends.
func (r *runner) abandoned() bool { return r.ctx.Err() != nil }

// expired reports the end of an action whose own time is over.
func (r *runner) expired() stage {
	if r.maybe || r.script.Known() {
		message := "the operator stopped asking"
		if r.cause.Message != "" {
			message += ": " + r.cause.Message
		}
		return r.lost(message)
	}
	return r.unsent(v1alpha1.StepFailed, r.waited())
}

// waited is what the action waited for when that came to an end.
func (r *runner) waited() cause {
	if r.cause.Reason == "" {
		return cause{v1alpha1.ReasonNotPrepared, "it was not sent in time"}
	}
	return r.cause
}

// decision is what the owner decided of an action that was not sent. The answer is the given stage if it decided nothing.
func (r *runner) decision(ctx context.Context, undecided stage) stage {
	switch {
	case r.abandoned():
		return over
	case r.cancelled.Err() != nil && r.maybe:
		return following // where the machine is told
	case r.cancelled.Err() != nil:
		return r.unsent(v1alpha1.StepCancelled, cause{v1alpha1.ReasonCancelled, "cancelled before it was sent"})
	case r.gaveUp.Err() != nil && !r.maybe:
		return r.unsent(v1alpha1.StepFailed, r.waited())
	case ctx.Err() != nil:
		return r.expired()
	default:
		return undecided
	}
}
