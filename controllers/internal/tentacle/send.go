package tentacle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// send brings the content and the script to the machine. It answers true once the machine has the script; otherwise
// the verdict says why it surely does not run.
func (p *Pool) send(ctx context.Context, act *action, f *follower) (verdict, bool) {
	if _, err := step.Command(act.Plan, act.Secrets); err != nil {
		return failed(v1alpha1.ReasonEngineFailed, "preparing the step: "+err.Error()), false
	}
	t := tries{patience: act.Machine.RetryDuration, follower: f, maybe: f.again}
	t.renew()
	for pause := p.config.RetryPause; ; pause = min(2*pause, 10*time.Second) {
		if act.isCancelled() {
			return verdict{outcome: OutcomeCancelled, reason: v1alpha1.ReasonCancelled, message: "cancelled before it was sent"}.unless(t.maybe)
		}
		if f.isDropped() {
			return dropped().unless(t.maybe)
		}
		err := p.try(ctx, act, f)
		if err == nil {
			return verdict{}, true
		}
		if errors.Is(err, errDropped) {
			continue
		}
		if !errors.Is(err, ErrNotFetched) { // which says nothing about the machine
			f.failed(err)
		}
		if v, started := t.failed(ctx, err); started || v.outcome != "" {
			return v, started
		}
		if !p.sleep(ctx, min(pause, max(time.Until(t.give), p.config.RetryPause))) {
			return t.end(err), false
		}
	}
}

// tries are those of one action to get its script to the machine.
type tries struct {
	patience time.Duration
	follower *follower
	// give is when it gives up; maybe says that the script may have begun.
	give      time.Time
	maybe     bool
	transfers int
}

func (t *tries) renew() { t.give = time.Now().Add(t.patience) }

// failed notes a failed try. The zero answer means to try again; otherwise the script did not begin, and the verdict
// says why, or the machine turns out to have it.
func (t *tries) failed(ctx context.Context, err error) (verdict, bool) {
	if uncertain(err) {
		t.maybe = true
		t.follower.doubt(ctx)
	}
	var never *ContentError
	if errors.As(err, &never) {
		return t.follower.barred(Barred{never.Reason, never.Message}), false
	}
	if v, final := refused(err); final && !t.maybe {
		return v, false
	}
	if t.excuses(err) {
		t.renew()
	}
	if time.Now().Before(t.give) {
		return verdict{}, false
	}
	if !t.maybe {
		return unsent(err), false
	}
	if t.follower.again {
		return verdict{}, false // nobody can be asked; a start that arrives tells how the first one ended
	}
	// It may have begun: only the machine knows. Where it does not know the ticket, it is sent again.
	v, known := t.follower.takeUp(ctx)
	if !known && v.outcome == "" {
		t.maybe = t.follower.again
		t.renew()
	}
	return v, known
}

// maxTransfers bounds how often a package is sent again to a machine that can be reached.
const maxTransfers = 3

// ErrNotFetched is in the error of a package that cannot be sent yet.
var ErrNotFetched = errors.New("the package is not in the cache")

// ContentError says that a package can never be sent.
type ContentError struct {
	// Reason is one of v1alpha1's.
	Reason, Message string
}

// Error is the message.
func (e *ContentError) Error() string { return e.Message }

// excuses tells whether the time that went by was not spent on reaching the machine: it went into a transfer that broke
// off, or into waiting for other machines or for the package.
func (t *tries) excuses(err error) bool {
	if errors.Is(err, ErrBusy) || errors.Is(err, ErrNotFetched) {
		return true
	}
	var transfer *transferError
	if errors.As(err, &transfer) && t.transfers < maxTransfers {
		t.transfers++
		return true
	}
	return false
}

// end is the verdict where the action's own time is over.
func (t *tries) end(err error) verdict {
	if t.maybe {
		return lost("the machine did not say whether it began: " + err.Error())
	}
	return unsent(err)
}

// unless gives up the verdict where the machine may have the script: then it is asked, and told to cancel.
func (v verdict) unless(maybe bool) (verdict, bool) {
	if maybe {
		return verdict{}, true
	}
	return v, false
}

func (a *action) isCancelled() bool {
	select {
	case <-a.cancelled:
		return true
	default:
		return false
	}
}

// try sends once. Nothing of the script is sent before the engine and the content are there.
func (p *Pool) try(ctx context.Context, act *action, f *follower) error {
	engine, err := f.session.engine(ctx)
	if err != nil {
		return err
	}
	command, err := engine.command(act.Plan, act.Secrets)
	if err != nil {
		return fmt.Errorf("preparing the step: %w", err)
	}
	if err := p.bring(ctx, act, f.session); err != nil {
		return err
	}
	if err := f.start(ctx, command); err != nil {
		return err
	}
	act.knownAs(f.ticket)
	return nil
}

// doubt notes, after a start of which nobody knows whether it arrived, that the next one may be the second, where the
// machine cannot be asked.
func (f *follower) doubt(ctx context.Context) {
	if on, err := f.session.scripts(ctx); err == nil && !on.finds() {
		f.again = true
	}
}

// startError marks what went wrong while the script itself was sent.
type startError struct{ error }

func (e *startError) Unwrap() error { return e.error }

// uncertain tells whether the script may have begun although sending it failed.
func uncertain(err error) bool {
	var start *startError
	var connect *halibut.ConnectError
	var server *halibut.ServerError
	return errors.As(err, &start) && !errors.As(err, &connect) && !errors.As(err, &server)
}

// transferError marks what went wrong while a package was sent.
type transferError struct{ error }

func (e *transferError) Unwrap() error { return e.error }

// UnfitError says that the Tentacle cannot do what our steps need.
type UnfitError struct {
	// Reason is one of v1alpha1's, Message names the remedy.
	Reason, Message string
}

// Error is the message.
func (e *UnfitError) Error() string { return e.Message }

// fits tells whether a Tentacle of these facts has the services that our plans need.
func fits(f tentacle.Facts) error {
	if f.Has(tentacle.ScriptServiceV2Name) || f.Has(tentacle.ScriptServiceV1Name) {
		return nil
	}
	return &UnfitError{v1alpha1.ReasonTentacleUnsupported, "the Tentacle offers neither " + tentacle.ScriptServiceV2Name + " nor " +
		tentacle.ScriptServiceV1Name + ", as Octopus's agents in clusters do not; use a Tentacle on a machine"}
}

// refused gives the verdict on errors that trying again does not help.
func refused(err error) (verdict, bool) {
	var connect *halibut.ConnectError
	var server *halibut.ServerError
	var unfit *UnfitError
	var refused *refusedError
	switch {
	case errors.As(err, &connect):
		return unsent(err), untrusted(connect.Stage)
	case errors.As(err, &refused):
		return verdict{outcome: OutcomeRefused, reason: refused.reason, message: refused.message}, true
	case errors.As(err, &unfit):
		return failed(unfit.Reason, unfit.Message), true
	case errors.As(err, &server) && !server.Retryable():
		if v, byPolicy := byPolicy(server.Message); byPolicy {
			return v, true
		}
		return failed(v1alpha1.ReasonEngineFailed, "the Tentacle refused the step: "+server.Message), true
	default:
		return verdict{}, false
	}
}

func untrusted(stage halibut.Stage) bool {
	switch string(stage) {
	case v1alpha1.ReasonThumbprintMissing, v1alpha1.ReasonThumbprintMismatch, v1alpha1.ReasonOperatorNotTrusted:
		return true
	default:
		return false
	}
}

func unsent(err error) verdict {
	v := verdict{outcome: OutcomeUnsent, reason: v1alpha1.ReasonTransferFailed, message: err.Error()}
	var connect *halibut.ConnectError
	if errors.As(err, &connect) {
		v.reason = string(connect.Stage)
		if connect.Err != nil {
			v.message = connect.Err.Error() // the rest of it is the reason again
		}
	}
	return v
}

// bring uploads the content that the machine lacks. Asking which it has is a script there: while the package is waited
// for, that is done once.
func (p *Pool) bring(ctx context.Context, act *action, s *session) error {
	c := act.Content
	if c == nil || s.holds(c.SHA256) {
		return nil
	}
	if !act.asked {
		held, err := p.inventory(ctx, act.Machine)
		if err != nil {
			return fmt.Errorf("asking which packages the machine has: %w", err)
		}
		for _, sha := range held.Contents {
			s.setHolds(sha, true)
		}
		act.asked = true
	}
	if s.holds(c.SHA256) {
		return nil
	}
	if c.Ready != nil {
		if err := c.Ready(); err != nil {
			return err
		}
	}
	act.asked = false // a transfer that breaks off may have arrived all the same
	r, err := s.UploadFile(ctx, c.Path, halibut.NewDataStream(c.Size, c.Open))
	if err != nil {
		return &transferError{fmt.Errorf("sending package content %.12s: %w", c.SHA256, err)}
	}
	if r.Length != c.Size {
		return &transferError{fmt.Errorf("sending package content %.12s: %d of %d bytes arrived", c.SHA256, r.Length, c.Size)}
	}
	s.setHolds(c.SHA256, true)
	return nil
}
