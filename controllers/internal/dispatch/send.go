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

// maxTransfers bounds how often a package is sent again to a machine that can be reached.
const maxTransfers = 3

// tries are those of one action to get its script to the machine.
type tries struct {
	since     time.Time
	transfers int
}

// send brings the content and the script to the machine.
func (r *runner) send(ctx context.Context) stage {
	r.goesOn()
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
		r.doubt(ctx, err)
		if r.decided() {
			continue
		}
		if next := r.tryAgain(&t, err); next != sending {
			return next
		}
		left := r.retries - time.Since(t.since)
		r.rest(ctx, min(again.Step(), max(left, r.config.RetryPause)))
	}
}

// try sends once. Nothing of the script is sent before the engine and the content are there.
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
		if err := s.Bring(undecided, content); err != nil {
			return err
		}
	}
	if err := undecided.Err(); err != nil {
		return err
	}
	if err := r.fence(); err != nil {
		return err
	}
	if err := r.script.Start(ctx, s, command); err != nil {
		return err
	}
	r.accepted()
	return nil
}

// accepted reports that the machine has the script. One that has ended already, or was refused, is reported with its end.
func (r *runner) accepted() {
	r.arrived()
	r.maybe, r.cause = true, cause{}
	r.session.Answered()
	r.sent()
	if r.script.Ended() {
		return
	}
	r.tell(r.action, func(report *Report) {
		report.Sent, report.Reason, report.Message = true, "", ""
		r.known = r.script.Ticket()
		if r.script.State() == tentacle.Running {
			report.Begun = time.Now()
		}
	})
}

// doubt notes that a start may have arrived, and that the next one may be the second if the machine cannot be asked.
func (r *runner) doubt(ctx context.Context, err error) {
	if !session.Uncertain(err) {
		return
	}
	r.maybe = true
	r.tell(r.action, func(report *Report) { report.Sent = true })
	if finds, err := r.session.Finds(ctx); err == nil && !finds {
		r.forgets = true
	}
}

// tryAgain tells what comes after a failed try: another one, unless the error or the time says otherwise.
func (r *runner) tryAgain(t *tries, err error) stage {
	var not *NotReady
	var located *locateError
	switch {
	case errors.As(err, &located):
		t.since = time.Now() // which says nothing about the machine
		return r.unlocated(located)
	case errors.As(err, &not):
		r.prepared = nil
		return preparing // the content is not there any more
	}
	r.session.Failed(err)
	if c, final := hopeless(err); final && !r.maybe {
		return r.unsent(v1alpha1.StepFailed, c)
	}
	t.excuse(err)
	c := reach(err)
	if errors.Is(err, session.ErrBusy) && !r.maybe {
		c.Reason = v1alpha1.ReasonPreparing
	}
	r.waitsFor(c, r.until(t, c))
	switch {
	case time.Since(t.since) < r.retries:
		return sending
	case !r.maybe:
		return r.unreached(err, false)
	case r.forgets:
		return sending // nobody can be asked; a start that arrives tells how the first one ended
	default:
		return finding // it may have begun: only the machine knows
	}
}

// until says how often the machine is tried, and until when; what it may have is asked for without an end.
func (r *runner) until(t *tries, c cause) string {
	again := every("tried", longestRetry)
	if c.Reason == v1alpha1.ReasonPreparing || r.maybe {
		return again
	}
	return again + " until " + t.since.Add(r.retries).UTC().Format(time.RFC3339)
}

// unlocated waits for the target, or ends an action that was not sent if there is no waiting.
func (r *runner) unlocated(err *locateError) stage {
	not := notReady(err.error)
	if not.Final && !r.maybe {
		return r.never(cause{not.Reason, not.Message})
	}
	r.misses(not)
	return sending
}

// misses says in the report that the target is not to be reached as it is.
func (r *runner) misses(not *NotReady) {
	again := every("tried", longestRetry)
	if not.Final {
		again = ""
	}
	r.waitsFor(cause{not.Reason, not.Message}, again)
}

// unreached reports the end of an action that did not get to its machine in time.
func (r *runner) unreached(err error, once bool) stage {
	var connect *halibut.ConnectError
	c := reach(err)
	unreached := errors.As(err, &connect)
	if unreached {
		c.Message = why(connect.Err)
	}
	return r.end(func(report *Report) {
		report.Phase, report.Unreached, report.Once, report.Sent = v1alpha1.StepFailed, unreached, once, false
		report.Reason, report.Message = c.Reason, c.Message
	})
}

// excuse leaves out of the time that a machine has what was not spent on reaching it: a transfer that broke off, or the
// wait for other machines.
func (t *tries) excuse(err error) {
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

// hopeless tells what ends an action at once, as trying again does not help.
func hopeless(err error) (cause, bool) {
	var connect *halibut.ConnectError
	var server *halibut.ServerError
	var unfit *session.UnfitError
	var refused *session.RefusedError
	switch {
	case errors.As(err, &connect):
		return cause{string(connect.Stage), fmt.Sprintf("the target is not trusted: %s: %s", connect.Stage, why(connect.Err))}, untrusted(connect.Stage)
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
