package dispatch

import (
	"context"
	"errors"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

const (
	// cancelTime bounds one CancelScript.
	cancelTime = 30 * time.Second
	// confirmTries bounds how often the last output is requested.
	confirmTries = 10
)

// find asks the machine about a script that may have been started, until it answers.
func (r *runner) find(ctx context.Context) stage {
	again := session.Doubling(r.config.RetryPause, longestRetry)
	r.prepared = nil
	for failures := 1; ; failures++ {
		found, interrupted, err := r.ask(ctx)
		switch {
		case r.abandoned():
			return over
		case err == nil:
			return r.found(found)
		case ctx.Err() != nil:
			return r.lost("the machine did not answer: " + rootCause(err))
		case interrupted:
			continue
		}
		r.unanswered(err, failures)
		r.pause(ctx, again.Step())
	}
}

// ask asks once whether the machine knows the script. interrupted is true if Relocate cancelled the request.
func (r *runner) ask(ctx context.Context) (found session.Found, interrupted bool, err error) {
	s, err := r.locate(ctx)
	if err != nil {
		return found, false, err
	}
	held, stop := r.held(ctx, false)
	defer stop()
	found, err = r.script.Find(held, s)
	return found, held.Err() != nil, err
}

// found chooses the next stage from the machine's answer about the ticket.
func (r *runner) found(f session.Found) stage {
	r.session.Answered()
	if f.Known {
		r.arrived()
	}
	r.mayHaveStarted, r.forgets = f.Known || f.Forgets, f.Forgets
	r.cause = cause{}
	r.updateReport(r.action, func(report *Report) { report.Sent, report.Reason, report.Message = r.mayHaveStarted, "", "" })
	if !f.Known {
		if f.Forgets {
			r.script = r.newScript()
		}
		return preparing
	}
	r.observe()
	return following
}

// follow asks until the script is complete. It continues after lost connections and when the target changes its address.
func (r *runner) follow(ctx context.Context) stage {
	r.prepared = nil
	again, failures := session.Doubling(r.config.RetryPause, longestRetry), 0
	for !r.script.Ended() {
		interrupted, err := r.question(ctx)
		switch {
		case r.abandoned() || isFenced(err):
			return over
		case ctx.Err() != nil:
			return r.expired()
		case err != nil && interrupted:
			continue
		case err != nil:
			failures++
			r.unanswered(err, failures)
			r.pause(ctx, again.Step())
			continue
		}
		again, failures = session.Doubling(r.config.RetryPause, longestRetry), 0
		r.session.Answered()
		r.observe()
		if !r.script.Ended() {
			r.pause(ctx, min(r.script.Delay(), r.untilCancel()))
		}
	}
	if !r.confirm(ctx) {
		return over
	}
	return r.judge(ctx)
}

// question sends one request: CancelScript if one is due, else a request for status. interrupted is true if Cancel or
// Relocate cancelled it.
func (r *runner) question(ctx context.Context) (interrupted bool, err error) {
	s, err := r.locate(ctx)
	if err != nil {
		return false, err
	}
	cancelled := r.cancelled.Err() != nil
	if cancelled && r.untilCancel() == 0 {
		if err := r.fence(); err != nil {
			return false, err
		}
		ctx, stop := context.WithTimeout(ctx, cancelTime)
		defer stop()
		err := r.script.Cancel(ctx, s)
		r.cancelAt = time.Now().Add(r.cancels.Step())
		return false, err
	}
	held, stop := r.held(ctx, !cancelled)
	defer stop()
	err = r.script.Ask(held, s, max(r.untilCancel(), time.Millisecond))
	return held.Err() != nil, err
}

// forever is the time to an event that does not happen.
const forever = time.Duration(1<<63 - 1)

// untilCancel returns the time to the next CancelScript.
func (r *runner) untilCancel() time.Duration {
	switch {
	case r.cancelled.Err() == nil:
		return forever
	case r.cancelAt.IsZero():
		return 0
	default:
		return max(time.Until(r.cancelAt), 0)
	}
}

// unanswered reports that a request failed. A connection that broke once is not reported.
func (r *runner) unanswered(err error, failures int) {
	var located *locateError
	if errors.As(err, &located) {
		r.waitsForTarget(notReady(located.error))
		return
	}
	r.session.Failed(err)
	var connect *halibut.ConnectError
	if errors.As(err, &connect) || failures > 1 {
		r.waitsFor(unreachable(err), every("asked", longestRetry))
	}
}

// observe reports that the script waits for the machine, or has begun.
func (r *runner) observe() {
	var c cause
	if r.script.State() == tentacle.Pending {
		c = cause{v1alpha1.ReasonMachineBusy, "waits until another script on the machine has ended"}
		if other := r.occupant(r.action); other != "" {
			c.Message += ": " + other
		}
	}
	r.cause = c
	r.updateReport(r.action, func(report *Report) {
		report.Reason, report.Message = c.Reason, c.Message
		if r.script.State() == tentacle.Running && report.Begun.IsZero() {
			report.Begun = time.Now()
		}
	})
}

// confirm requests the last output. It returns false if this process ends before the output has arrived.
func (r *runner) confirm(ctx context.Context) bool {
	again := session.Doubling(r.config.RetryPause, longestRetry)
	tries := confirmTries
	if r.script.Skipped() {
		tries = 1 // it could not be read several times before
	}
	for range tries {
		s, err := r.locate(ctx)
		if err == nil {
			err = r.script.Confirm(ctx, s)
		}
		if err == nil {
			return true
		}
		if _, found := r.script.Result(); found {
			return true // the engine's result has arrived
		}
		if r.abandoned() {
			return false
		}
		if r.session != nil {
			r.session.Failed(err)
		}
		r.pause(ctx, again.Step())
	}
	return true
}
