package tentacle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// send brings the content and the script to the machine. It answers true once the machine has the script; otherwise
// the verdict says why it surely does not run.
func (p *Pool) send(ctx context.Context, act *action, f *follower) (verdict, bool) {
	command, err := step.Command(act.Plan, act.Secrets)
	if err != nil {
		return failed(v1alpha1.ReasonEngineFailed, "preparing the step: "+err.Error()), false
	}
	// The patience ends for what could not be sent; what may have begun is asked for until the action's lifetime ends.
	give := time.Now().Add(act.Machine.RetryDuration)
	maybe := false
	for pause := p.config.RetryPause; ; pause = min(2*pause, 10*time.Second) {
		if act.isCancelled() {
			return verdict{outcome: OutcomeCancelled, reason: v1alpha1.ReasonCancelled, message: "cancelled before it was sent"}.unless(maybe)
		}
		r, err := p.try(ctx, act, f, command)
		if err == nil {
			f.take(r)
			return verdict{}, true
		}
		maybe = maybe || uncertain(err)
		if v, final := p.refused(act, err); final && !maybe {
			return v, false
		}
		if time.Now().After(give) {
			return unsent(err).unless(maybe)
		}
		if !p.sleep(ctx, min(pause, max(time.Until(give), time.Millisecond))) {
			return lost("the operator stopped while it was sending"), false
		}
	}
}

// unless gives up the verdict where the machine may have the script: then it is asked.
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

// try sends once. Nothing of the script is sent before the content is there and the engine is known to fit.
func (p *Pool) try(ctx context.Context, act *action, f *follower, command tentacle.StartScriptCommandV2) (tentacle.ScriptStatusResponseV2, error) {
	var none tentacle.ScriptStatusResponseV2
	facts, err := f.session.facts(ctx)
	if err != nil {
		return none, err
	}
	if err := fits(facts); err != nil {
		return none, err
	}
	if err := p.bring(ctx, act, f.session); err != nil {
		return none, err
	}
	r, err := f.session.StartScript(ctx, command)
	if err != nil {
		return none, &startError{err}
	}
	return r, nil
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

// unfitError says that the Tentacle cannot do what a step needs.
type unfitError struct{ reason, message string }

func (e *unfitError) Error() string { return e.message }

// fits tells whether a Tentacle of these facts can carry out our plans.
func fits(f tentacle.Facts) error {
	switch {
	case !f.Has(tentacle.ScriptServiceV2Name):
		return &unfitError{v1alpha1.ReasonTentacleUnsupported, "the Tentacle does not offer " + tentacle.ScriptServiceV2Name + "; upgrade it"}
	case f.Engine == 0:
		return &unfitError{v1alpha1.ReasonTentacleUnsupported, "the Tentacle has no Mantle engine; install Mantle's Tentacle there"}
	case f.Engine < step.Version:
		return &unfitError{v1alpha1.ReasonEngineTooOld, fmt.Sprintf("the Tentacle's engine reads plans of version %d, this operator writes %d; upgrade the Tentacle", f.Engine, step.Version)}
	default:
		return nil
	}
}

// refused gives the verdict on errors that trying again does not help.
func (p *Pool) refused(act *action, err error) (verdict, bool) {
	var connect *halibut.ConnectError
	var server *halibut.ServerError
	var unfit *unfitError
	switch {
	case errors.As(err, &connect):
		p.config.Unreached(types.NamespacedName{Namespace: act.Machine.Namespace, Name: act.Machine.Name})
		return unsent(err), untrusted(connect.Stage)
	case errors.As(err, &unfit):
		return failed(unfit.reason, unfit.message), true
	case errors.As(err, &server) && !server.Retryable():
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

// bring uploads the content that the machine lacks.
func (p *Pool) bring(ctx context.Context, act *action, s *session) error {
	c := act.Content
	if c == nil || s.holds(c.SHA256) {
		return nil
	}
	held, err := p.inventory(ctx, act.Machine)
	if err != nil {
		return fmt.Errorf("asking which packages the machine has: %w", err)
	}
	for _, sha := range held.Contents {
		s.setHolds(sha, true)
	}
	if s.holds(c.SHA256) {
		return nil
	}
	r, err := s.UploadFile(ctx, c.Path, halibut.NewDataStream(c.Size, c.Open))
	if err != nil {
		return fmt.Errorf("sending package content %s: %w", c.SHA256[:12], err)
	}
	if r.Length != c.Size {
		return fmt.Errorf("sending package content %s: %d of %d bytes arrived", c.SHA256[:12], r.Length, c.Size)
	}
	s.setHolds(c.SHA256, true)
	return nil
}
