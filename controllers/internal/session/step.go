package session

import (
	"context"
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/v1alpha1"
)

const (
	// stepGrace is how much longer than its own timeout RunStep waits for a step, and how long a machine that does not
	// answer is asked.
	stepGrace = 30 * time.Second
	// inventoryTimeout bounds an inventory step.
	inventoryTimeout = time.Minute
	// cancelTime bounds one CancelScript.
	cancelTime = 30 * time.Second
	// maxPause is the longest pause between two retries.
	maxPause = 10 * time.Second
	// confirmTries bounds how often the last output is requested.
	confirmTries = 10
)

// RunStep runs a health or inventory step to its end and completes it. It blocks: call it from a worker, not from a
// reconciler. It sets the plan's ticket and nonce. An error means that the step could not be sent.
func (p *Pool) RunStep(ctx context.Context, m Machine, pl step.Plan) (StepResult, error) {
	ctx, cancel := p.bounded(ctx, pl.Timeout()+stepGrace)
	defer cancel()
	s := p.Open(m)
	defer s.Close()
	return s.runStep(ctx, pl)
}

func (s *Session) runStep(ctx context.Context, pl step.Plan) (StepResult, error) {
	c, err := s.tryStep(ctx, pl)
	if err == nil && c.Ended() && c.ExitCode() == step.ExitEngineMissing {
		s.ForgetEngine()
		c, err = s.tryStep(ctx, pl)
	}
	if err != nil {
		return StepResult{}, err
	}
	return c.stepResult(), nil
}

// tryStep runs a step to its end, with an engine that may have gone away.
func (s *Session) tryStep(ctx context.Context, pl step.Plan) (*Script, error) {
	engine, err := s.Engine(ctx)
	if err != nil {
		return nil, err
	}
	pl.Version = step.Version
	pl.Ticket = step.Ticket(halibut.NewGUID().String(), string(pl.Kind), string(s.machine.UID), 1)
	pl.Nonce = step.Nonce(pl.Ticket)
	command, err := engine.Command(pl, nil)
	if err != nil {
		return nil, fmt.Errorf("preparing the %s step: %w", pl.Kind, err)
	}
	c := s.pool.NewScript(pl.Ticket, pl.Nonce, nil)
	if err := c.start(ctx, s, command); err != nil {
		return nil, fmt.Errorf("sending the %s step: %w", pl.Kind, err)
	}
	s.follow(ctx, c)
	s.pool.completeOwn(s.machine, c) //nolint:contextcheck // continues after this call, bounded by the pool's own context
	return c, nil
}

// stepResult returns how a step ended: by the engine's result if there is one, else by the Tentacle's exit code.
func (c *Script) stepResult() StepResult {
	var r StepResult
	if inventory, found := c.scanner.Inventory(); found {
		inventory = cleanInventory(inventory)
		r.Inventory = &inventory
	}
	result, found := c.Result()
	switch {
	case found:
		own := int32(result.ExitCode)
		r.ExitCode, r.Reason, r.Message = &own, result.Reason, result.Tail
		r.Succeeded = own == 0 && result.Reason == ""
	case !c.Ended():
		r.Reason, r.Message = v1alpha1.ReasonTimedOut, "it did not end in time"
	case c.exitCode == tentacle.ExitRefused:
		refused := Refusal(c.Stderr())
		r.Reason, r.Message = refused.Reason, refused.Message
	default:
		r.Reason, r.Message = v1alpha1.ReasonEngineFailed, fmt.Sprintf("the Tentacle ended it with code %d: %s", c.exitCode, c.Stderr())
	}
	return r
}

// Inventory runs an inventory step: it returns what is installed according to the machine's own journal, and which
// contents the machine has. The error is a *RefusedError if the machine's owner does not allow it.
func (p *Pool) Inventory(ctx context.Context, m Machine) (step.Inventory, error) {
	ctx, cancel := p.bounded(ctx, inventoryTimeout+stepGrace)
	defer cancel()
	s := p.Open(m)
	defer s.Close()
	return s.inventory(ctx)
}

func (s *Session) inventory(ctx context.Context) (step.Inventory, error) {
	m := s.machine
	r, err := s.runStep(ctx, step.Plan{Kind: step.KindInventory, Namespace: m.Namespace, Target: m.Name, TimeoutSeconds: int64(inventoryTimeout.Seconds())})
	switch {
	case err != nil:
		return step.Inventory{}, err
	case r.Inventory != nil:
		return *r.Inventory, nil
	case r.Reason == v1alpha1.ReasonRefused || r.Reason == v1alpha1.ReasonRefusedByPolicy:
		return step.Inventory{}, &RefusedError{r.Reason, r.Message}
	default:
		return step.Inventory{}, fmt.Errorf("the inventory step returned no inventory (%s): %s", r.Reason, r.Message)
	}
}

// EnsureContent uploads a content if the machine lacks it.
func (s *Session) EnsureContent(ctx context.Context, c *Content) error {
	if s.HasContent(c.SHA256) {
		return nil
	}
	asked, cancel := s.pool.bounded(ctx, inventoryTimeout+stepGrace)
	held, err := s.inventory(asked)
	cancel()
	if err != nil {
		return fmt.Errorf("asking which packages the machine has: %w", err)
	}
	for _, sha := range held.Contents {
		s.SetHasContent(sha, true)
	}
	if s.HasContent(c.SHA256) {
		return nil
	}
	r, err := s.UploadFile(ctx, c.Path, halibut.NewDataStream(c.Size, c.Open))
	if err != nil {
		return &UploadError{fmt.Errorf("sending package content %.12s: %w", c.SHA256, err)}
	}
	if r.Length != c.Size {
		return &UploadError{fmt.Errorf("sending package content %.12s: %d of %d bytes arrived", c.SHA256, r.Length, c.Size)}
	}
	s.SetHasContent(c.SHA256, true)
	return nil
}

// follow asks until the script has ended, and continues after lost connections. When the context ends, it cancels the
// script.
func (s *Session) follow(ctx context.Context, c *Script) {
	again, silent := Doubling(s.pool.config.RetryPause, maxPause), time.Time{}
	for !c.Ended() {
		var rest time.Duration
		if err := c.Ask(ctx, s, s.pool.config.Wait); err != nil {
			s.Failed(err)
			if silent.IsZero() {
				silent = time.Now()
			}
			if time.Since(silent) > stepGrace {
				return
			}
			rest = again.Step()
		} else {
			again, silent, rest = Doubling(s.pool.config.RetryPause, maxPause), time.Time{}, c.Delay()
		}
		if !c.Ended() && !pause(ctx, rest) {
			s.cancel(ctx, c)
			return
		}
	}
	again = Doubling(s.pool.config.RetryPause, maxPause)
	for range confirmTries {
		if err := c.Confirm(ctx, s); err == nil {
			return
		}
		if _, found := c.Result(); found || !pause(ctx, again.Step()) {
			return
		}
	}
}

// cancel cancels a script, also when the caller's context has ended.
func (s *Session) cancel(ctx context.Context, c *Script) {
	ctx, stop := s.pool.bounded(context.WithoutCancel(ctx), cancelTime)
	defer stop()
	if err := c.Cancel(ctx, s); err != nil {
		s.Failed(err)
	}
}
