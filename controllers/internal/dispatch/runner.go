package dispatch

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// stage is what an action does next.
type stage int

// The stages of an action.
const (
	// over means that the end was reported, or that no report is needed.
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
	// session is the session with the machine at its last known address; nil before the first Locate.
	session *session.Session
	script  *session.Script
	// prepared is what is sent; nil before it is prepared and after it was sent. content is the digest of its package.
	prepared *Prepared
	content  string
	// retries is how long sending is retried.
	retries time.Duration
	// mayHaveStarted is true if a StartScript may have arrived. forgets is true if the machine cannot be asked about it, so that the
	// next start may be the second: the engine then waits for the first one and reports its result, but a cancel reaches
	// only the second.
	mayHaveStarted, forgets bool
	// brought counts how often the engine was brought again, lostBefore how often the machine had forgotten the script. shift is
	// how many log entries earlier starts have.
	brought, lostBefore int
	shift               int64
	// ticket is the one under which the script is started; earlier are those of starts that the machine has forgotten.
	// base is the number before that of its first entry in the log, where another operator may read its output again; else 0.
	ticket  string
	base    int64
	earlier []tentacle.ScriptTicket
	// cancels is the back-off between two CancelScript, and cancelAt when the next is due; zero before the first.
	cancels  wait.Backoff
	cancelAt time.Time
	// cause is what the action waits for, without the note on the next attempt.
	cause cause
}

const (
	// longestRetry is the longest pause between two tries to reach a machine, longestPrepare between two to prepare,
	// longestCancel between two CancelScript.
	longestRetry   = 10 * time.Second
	longestPrepare = 30 * time.Second
	longestCancel  = 15 * time.Second
	// longestStart bounds how long an action counts against MaxStartingNamespace: a machine may not answer for minutes.
	longestStart = 30 * time.Second
	// announceAfter is how long an action is prepared before its owner is notified.
	announceAfter = time.Second
	// maxWait bounds how long an action waits before it is sent. Its run gives it up earlier.
	maxWait = 3 * time.Hour
)

// lifetime bounds an action: its timeout, the same again for the machine's mutex, and time for waits, retries and the
// operator's own cancel. The run gives an action up earlier.
func lifetime(a Action) time.Duration { return 2*a.Timeout + maxWait }

// carryOut runs the stages of an action until its end is reported.
func (d *Dispatcher) carryOut(act *action) {
	defer act.stop()
	ctx, cancel := context.WithTimeout(act.ctx, lifetime(act.Action))
	defer cancel()
	r := &runner{Dispatcher: d, action: act, ticket: act.Ticket, cancels: session.Doubling(d.config.CancelPause, longestCancel)}
	r.script = r.newScript()
	defer r.close()
	silent := time.AfterFunc(longestStart, r.arrived)
	defer silent.Stop()
	next := preparing
	switch {
	case act.Resume:
		next, r.mayHaveStarted = finding, true
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

// close releases the session and the secrets.
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

// locate returns a session with the machine at its current address.
func (r *runner) locate(ctx context.Context) (*session.Session, error) {
	select {
	case <-r.moved: // Locate returns the new address
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
	r.updateReport(r.action, func(report *Report) { report.Host = m.Address })
	return r.session, nil
}

// pause waits. It ends early with a Cancel or GiveUp that is new, or with Relocate.
func (r *runner) pause(ctx context.Context, d time.Duration) {
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

// waitsFor reports what the action waits for; again says when it is retried.
func (r *runner) waitsFor(c cause, again string) {
	r.cause = c
	r.updateReport(r.action, func(report *Report) { report.Reason, report.Message = c.Reason, c.Message+again })
}

// clearWait reports that the action waits for nothing.
func (r *runner) clearWait() { r.waitsFor(cause{}, "") }

// end reports how the action ended; change sets the result in the report.
func (r *runner) end(change func(*Report)) stage {
	size := int64(0)
	if r.Log != nil {
		size = r.Log.Size()
	}
	r.updateReport(r.action, func(report *Report) {
		report.Sent, report.Reason, report.Message = r.mayHaveStarted, "", ""
		report.Finished, report.LogSize = time.Now(), size
		if r.script.Known() {
			r.known, r.last = r.script.Ticket(), r.script.Last()
		}
		if len(r.earlier) > 0 {
			_, r.over = r.script.Result()
			r.starts = append(r.earlier, r.script.Ticket())
		}
		change(report)
		if report.Seconds == 0 && !report.Begun.IsZero() {
			report.Seconds = report.Finished.Sub(report.Begun).Seconds()
		}
		r.Locate, r.Prepare, r.Log = nil, nil, nil // so that an ended action keeps no memory alive
	})
	return over
}

func (r *runner) ends(phase v1alpha1.StepPhase, c cause) stage {
	return r.end(func(report *Report) { report.Phase, report.Reason, report.Message = phase, c.Reason, c.Message })
}

// unsent reports the end of an action that did not begin.
func (r *runner) unsent(phase v1alpha1.StepPhase, c cause) stage {
	return r.end(func(report *Report) {
		report.Sent = false
		report.Phase, report.Reason, report.Message = phase, c.Reason, c.Message
	})
}

func (r *runner) lost(message string) stage {
	return r.ends(v1alpha1.StepLost, cause{v1alpha1.ReasonLost, message})
}

// abandoned reports whether the action was dropped or this process ends, so that no report is needed.
func (r *runner) abandoned() bool { return r.ctx.Err() != nil }

// expired reports the end of an action whose lifetime has passed.
func (r *runner) expired() stage {
	if r.mayHaveStarted || r.script.Known() {
		message := "the operator stopped asking"
		if r.cause.Message != "" {
			message += ": " + r.cause.Message
		}
		return r.lost(message)
	}
	return r.unsent(v1alpha1.StepFailed, r.waited())
}

// waited returns what the action waited for when it was given up.
func (r *runner) waited() cause {
	if r.cause.Reason == "" {
		return cause{v1alpha1.ReasonNotPrepared, "it was not sent in time"}
	}
	return r.cause
}

// decision returns the next stage of an action that was not sent: undecided, unless it was cancelled, given up, dropped
// or has expired.
func (r *runner) decision(ctx context.Context, undecided stage) stage {
	switch {
	case r.abandoned():
		return over
	case r.cancelled.Err() != nil && r.mayHaveStarted:
		return following // which sends CancelScript
	case r.cancelled.Err() != nil:
		return r.unsent(v1alpha1.StepCancelled, cause{v1alpha1.ReasonCancelled, "cancelled before it was sent"})
	case r.gaveUp.Err() != nil && !r.mayHaveStarted:
		return r.unsent(v1alpha1.StepFailed, r.waited())
	case ctx.Err() != nil:
		return r.expired()
	default:
		return undecided
	}
}
