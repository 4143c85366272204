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

// prepare builds what is sent, and tries again while that is not possible.
func (r *runner) prepare(ctx context.Context) stage {
	if next := r.decision(ctx, preparing); next != preparing {
		return next
	}
	r.tellPreparing("preparing the step")
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
			return r.endUnsendable(cause{not.Reason, not.Message})
		}
		rest, most := again.Step(), longestPrepare
		if not.RetryAfter > 0 {
			rest, most = not.RetryAfter, not.RetryAfter
		}
		r.waitsFor(cause{not.Reason, not.Message}, every("tried", most))
		r.pause(ctx, rest)
	}
}

// tellPreparing sets the reason without notifying the owner: most actions are prepared quickly.
func (r *runner) tellPreparing(message string) {
	r.cause = cause{v1alpha1.ReasonPreparing, message}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Reason, r.report.Message = r.cause.Reason, r.cause.Message
}

// decided reports whether the action must not be sent any more: it was cancelled, or given up before it was sent.
func (r *runner) decided() bool {
	return r.cancelled.Err() != nil || r.gaveUp.Err() != nil && !r.mayHaveStarted
}

// undecided returns a context that ends when decided becomes true.
func (r *runner) undecided(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	ignoreCancel, ignoreGiveUp := context.AfterFunc(r.cancelled, cancel), func() bool { return true }
	if !r.mayHaveStarted {
		ignoreGiveUp = context.AfterFunc(r.gaveUp, cancel)
	}
	return ctx, func() {
		ignoreCancel()
		ignoreGiveUp()
		cancel()
	}
}

// prepareOnce waits until the namespace's limit allows it, and calls Prepare.
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

// ready stores what was prepared, or ends the action if that can never be sent.
func (r *runner) ready(p Prepared) stage {
	if _, err := step.Command(p.Plan, p.Secrets); err != nil {
		return r.endUnsendable(cause{v1alpha1.ReasonEngineFailed, "preparing the step: " + err.Error()})
	}
	r.prepared = &p
	if p.Content != nil {
		r.content = p.Content.SHA256
	}
	return sending
}

// endUnsendable reports the end of an action that can never be sent.
func (r *runner) endUnsendable(c cause) stage {
	switch {
	case r.forgets:
		return r.lost("the machine keeps no record of what it started, and the step cannot be started again: " + c.Message)
	case r.cancelled.Err() != nil:
		return r.unsent(v1alpha1.StepCancelled, cause{v1alpha1.ReasonCancelled, "cancelled before it began"})
	default:
		return r.unsent(v1alpha1.StepFailed, c)
	}
}

// fencedError says that this process is no longer the leader.
type fencedError struct{ error }

func (e *fencedError) Unwrap() error { return e.error }

// fence returns a *fencedError if this process is no longer the leader.
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
