package dispatch

import (
	"context"
	"errors"
	"time"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// prepareTime bounds one Prepare.
const prepareTime = time.Minute

// prepare builds what is sent, and waits while that cannot be done.
func (r *runner) prepare(ctx context.Context) stage {
	if next := r.decision(ctx, preparing); next != preparing {
		return next
	}
	r.tellPreparing("what is sent to the machine is being prepared")
	announce := time.AfterFunc(announceAfter, func() { r.announce(r.action) })
	defer announce.Stop()
	again := session.Doubling(r.config.PreparePause, longestPrepare)
	for {
		if next := r.decision(ctx, preparing); next != preparing {
			return next
		}
		p, err := r.prepareOnce(ctx)
		switch {
		case r.abandoned() || isFenced(err):
			return over
		case err == nil:
			return r.ready(p)
		case r.decided():
			continue
		}
		not := notReady(err)
		if not.Final {
			return r.never(cause{not.Reason, not.Message})
		}
		rest, most := again.Step(), longestPrepare
		if not.RetryAfter > 0 {
			rest, most = not.RetryAfter, not.RetryAfter
		}
		r.waitsFor(cause{not.Reason, not.Message}, every("tried", most))
		r.rest(ctx, rest)
	}
}

// tellPreparing sets the reason without telling the owner: most actions are prepared at once.
func (r *runner) tellPreparing(message string) {
	r.cause = cause{v1alpha1.ReasonPreparing, message}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Reason, r.report.Message = r.cause.Reason, r.cause.Message
}

// decided tells whether the owner decided something that ends the way to the machine.
func (r *runner) decided() bool {
	return r.cancelled.Err() != nil || r.gaveUp.Err() != nil && !r.maybe
}

// undecided is a context that ends when the owner does.
func (r *runner) undecided(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	ignoreCancel, ignoreGiveUp := context.AfterFunc(r.cancelled, cancel), func() bool { return true }
	if !r.maybe {
		ignoreGiveUp = context.AfterFunc(r.gaveUp, cancel)
	}
	return ctx, func() {
		ignoreCancel()
		ignoreGiveUp()
		cancel()
	}
}

// prepareOnce waits for a turn of the namespace and calls Prepare.
func (r *runner) prepareOnce(ctx context.Context) (Prepared, error) {
	ctx, cancel := r.undecided(ctx)
	defer cancel()
	if err := r.prepares.Enter(ctx, r.Owner.Namespace); err != nil {
		return Prepared{}, err
	}
	defer r.prepares.Leave(r.Owner.Namespace)
	if err := r.fence(); err != nil {
		return Prepared{}, err
	}
	ctx, stop := context.WithTimeout(ctx, prepareTime)
	defer stop()
	return r.Prepare(ctx)
}

// ready takes what was prepared, unless it can never be sent.
func (r *runner) ready(p Prepared) stage {
	if _, err := step.Command(p.Plan, p.Secrets); err != nil {
		return r.never(cause{v1alpha1.ReasonEngineFailed, "preparing the step: " + err.Error()})
	}
	r.prepared = &p
	if p.Content != nil {
		r.content = p.Content.SHA256
	}
	return sending
}

// never reports the end of an action that can never be sent.
func (r *runner) never(c cause) stage {
	switch {
	case r.forgets:
		return r.lost("the machine forgets what it started, and it cannot be started again: " + c.Message)
	case r.cancelled.Err() != nil:
		return r.unsent(v1alpha1.StepCancelled, cause{v1alpha1.ReasonCancelled, "cancelled before it began"})
	default:
		return r.unsent(v1alpha1.StepFailed, c)
	}
}

// fencedError says that this process does not lead any more.
type fencedError struct{ error }

func (e *fencedError) Unwrap() error { return e.error }

// fence asks whether this process leads.
func (r *runner) fence() error {
	if err := r.config.Fence(); err != nil {
		return &fencedError{err}
	}
	return nil
}

func isFenced(err error) bool {
	var fenced *fencedError
	return errors.As(err, &fenced)
}
