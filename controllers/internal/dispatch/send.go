package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// maxTransfers bounds how often an interrupted upload is repeated without counting against the retry duration.
const maxTransfers = 3

// tries counts the attempts to send one action's script to the machine.
type tries struct {
	since     time.Time
	transfers int
}

// send uploads the content and starts the script on the machine, with retries.
func (r *runner) send(ctx context.Context) stage {
	r.clearWait()
	t, again := tries{since: time.Now()}, session.Doubling(r.config.RetryPause, longestRetry)
	for {
		if next := r.decision(ctx, sending); next != sending {
			return next
		}
		err := r.try(ctx)
		switch {
		case err == nil:
			return following
		case r.abandoned() || isFenced(err):
			return over
		}
		r.noteUncertain(ctx, err)
		if r.decided() {
			continue
		}
		if next := r.tryAgain(&t, err); next != sending {
			return next
		}
		left := r.retries - time.Since(t.since)
		r.pause(ctx, min(again.Step(), max(left, r.config.RetryPause)))
	}
}

// try sends once. StartScript is sent only when the engine and the content are on the machine.
func (r *runner) try(ctx context.Context) error {
	s, err := r.locate(ctx)
	if err != nil {
		return err
	}
	undecided, stop := r.undecided(ctx)
	defer stop()
	if err := r.fence(); err != nil {
		return err
	}
	engine, err := s.Engine(undecided)
	if err != nil {
		return err
	}
	command, err := engine.Command(r.prepared.Plan, r.prepared.Secrets)
	if err != nil {
		return &session.UnfitError{Reason: v1alpha1.ReasonEngineFailed, Message: "preparing the step: " + err.Error()}
	}
	if content := r.prepared.Content; content != nil {
		if err := s.EnsureContent(undecided, content); err != nil {
			return err
		}
	}
	if err := undecided.Err(); err != nil {
		return err
	}
	if err := r.fence(); err != nil {
		return err
	}
	command.ScriptTicket.TaskID = r.ticket
	begun := time.Now()
	if err := r.script.Start(ctx, s, command); err != nil {
		return err
	}
	r.accepted(begun)
	return nil
}

// accepted reports that the machine has accepted the script, which it was sent at begun. If it has already ended, or was
// refused, only its end is reported.
func (r *runner) accepted(begun time.Time) {
	r.arrived()
	r.mayHaveStarted, r.cause = true, cause{}
	r.session.Answered()
	r.sent()
	if r.script.Ended() {
		return
	}
	r.updateReport(r.action, func(report *Report) {
		report.Sent, report.Reason, report.Message = true, "", ""
		r.known = r.script.Ticket()
		if r.script.State() == tentacle.Running {
			report.Begun = begun
		}
	})
}

// noteUncertain records that a StartScript may have arrived, and that the next one may be the second if the machine
// cannot be asked.
func (r *runner) noteUncertain(ctx context.Context, err error) {
	if !session.Uncertain(err) {
		return
	}
	r.mayHaveStarted = true
	r.updateReport(r.action, func(report *Report) { report.Sent = true })
	if finds, err := r.session.Finds(ctx); err == nil && !finds {
		r.forgets = true
	}
}

// tryAgain returns the stage after a failed try: another try, unless the error is permanent or the retry duration has
// passed.
func (r *runner) tryAgain(t *tries, err error) stage {
	var not *NotReady
	var located *locateError
	switch {
	case errors.As(err, &located):
		t.since = time.Now() // no attempt was made to reach the machine
		return r.unlocated(located)
	case errors.As(err, &not):
		r.prepared = nil
		return preparing // the content is no longer in the cache
	}
	r.session.Failed(err)
	if c, final := permanent(err); final && !r.mayHaveStarted {
		return r.unsent(v1alpha1.StepFailed, c)
	}
	t.extend(err)
	c := unreachable(err)
	if errors.Is(err, session.ErrBusy) && !r.mayHaveStarted {
		c.Reason = v1alpha1.ReasonPreparing
	}
	r.waitsFor(c, r.until(t, c))
	switch {
	case time.Since(t.since) < r.retries:
		return sending
	case !r.mayHaveStarted:
		return r.unreached(err, false)
	case r.forgets:
		return sending // the machine cannot be asked; if a start arrives, the engine reports how the first one ended
	default:
		return finding // it may have begun: ask the machine
	}
}

// until says how often sending is retried, and until when. There is no end if the machine may have the script.
func (r *runner) until(t *tries, c cause) string {
	again := every("tried", longestRetry)
	if c.Reason == v1alpha1.ReasonPreparing || r.mayHaveStarted {
		return again
	}
	return again + " until " + t.since.Add(r.retries).UTC().Format(time.RFC3339)
}

// unlocated waits for the target, or ends an action that was not sent if waiting does not help.
func (r *runner) unlocated(err *locateError) stage {
	not := notReady(err.error)
	if not.Final && !r.mayHaveStarted {
		return r.endUnsendable(cause{not.Reason, not.Message})
	}
	r.waitsForTarget(not)
	return sending
}

// waitsForTarget reports that the target cannot be located.
func (r *runner) waitsForTarget(not *NotReady) {
	again := every("tried", longestRetry)
	if not.Final {
		again = ""
	}
	r.waitsFor(cause{not.Reason, not.Message}, again)
}

// unreached reports the end of an action whose machine was not reached in time; once is true if it was tried only once.
func (r *runner) unreached(err error, once bool) stage {
	var connect *halibut.ConnectError
	c := unreachable(err)
	unreached := errors.As(err, &connect)
	if unreached {
		c.Message = rootCause(connect.Err)
	}
	return r.end(func(report *Report) {
		report.Phase, report.Unreached, report.Once, report.Sent = v1alpha1.StepFailed, unreached, once, false
		report.Reason, report.Message = c.Reason, c.Message
	})
}

// extend moves the start of the retry duration, so that time not spent on connecting does not count: an interrupted
// upload, or the wait for the limit of connections.
func (t *tries) extend(err error) {
	var upload *session.UploadError
	var connect *halibut.ConnectError
	switch {
	case errors.Is(err, session.ErrBusy):
		t.since = time.Now()
	case errors.As(err, &upload) && t.transfers < maxTransfers:
		t.transfers++
		t.since = time.Now()
	case errors.As(err, &connect):
		t.since = t.since.Add(connect.Waited)
	}
}

// permanent returns the cause of an error that ends an action at once, because trying again does not help.
func permanent(err error) (cause, bool) {
	var connect *halibut.ConnectError
	var server *halibut.ServerError
	var unfit *session.UnfitError
	var refused *session.RefusedError
	switch {
	case errors.As(err, &connect):
		return cause{string(connect.Stage), fmt.Sprintf("the target is not trusted: %s: %s", connect.Stage, rootCause(connect.Err))}, untrusted(connect.Stage)
	case errors.As(err, &refused):
		return cause{refused.Reason, refused.Message}, true
	case errors.As(err, &unfit):
		return cause{unfit.Reason, unfit.Message}, true
	case errors.As(err, &server) && !server.Retryable():
		if byPolicy := session.RefusedByPolicy(server.Message); byPolicy != nil {
			return cause{byPolicy.Reason, byPolicy.Message}, true
		}
		return cause{v1alpha1.ReasonEngineFailed, "the Tentacle refused the step: " + server.Message}, true
	default:
		return cause{}, false
	}
}
