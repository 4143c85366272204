package tentacle

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// Probe is what a machine says of itself.
type Probe struct {
	Certificate  *x509.Certificate
	Capabilities []string
	Facts        tentacle.Facts
	// Octopus says that the Tentacle is not Mantle's. The version, system and architecture in Facts were then found
	// out by a script.
	Octopus bool
	// Engine says why the machine has no engine that fits: an *UnfitError, or one that may pass.
	Engine error
}

// Fits tells whether the Tentacle can carry out our steps; the error is an *UnfitError, or one that may pass.
func (pr Probe) Fits() error {
	if err := fits(pr.Facts); err != nil {
		return err
	}
	return pr.Engine
}

// probeTimeout bounds a probe, and tellTimeout how long a machine may take to say what it offers.
const (
	probeTimeout = time.Minute
	tellTimeout  = 15 * time.Second
)

// Probe connects and asks for capabilities. The error is a halibut.ConnectError where the machine was not reached or
// trust does not hold; it carries the certificate that was presented. ErrBusy is in it where the machine was not even
// tried. To a Tentacle without an engine that fits one is brought, which may take minutes the first time.
func (p *Pool) Probe(ctx context.Context, m Machine) (Probe, error) {
	s := p.session(m)
	defer s.release()
	probe, err := p.reach(ctx, m, s)
	if err != nil {
		return probe, err
	}
	ctx, cancel := p.bounded(ctx, engineTime)
	defer cancel()
	_, probe.Engine = s.engine(ctx)
	probe.Octopus = !probe.Facts.Mantle()
	if found := s.surveyed(); found != nil && probe.Octopus {
		probe.Facts.Version, probe.Facts.OS, probe.Facts.Arch = found.version, found.os, found.arch
	}
	return probe, nil
}

// reach is the part of a probe that asks nothing of the machine but who it is.
func (p *Pool) reach(ctx context.Context, m Machine, s *session) (Probe, error) {
	ctx, cancel := p.bounded(ctx, probeTimeout)
	defer cancel()
	certificate, err := s.conn.Connect(ctx, s.key.Endpoint)
	if err != nil {
		return Probe{Certificate: certificate}, err
	}
	asked, stop := context.WithTimeout(ctx, tellTimeout)
	defer stop()
	facts, err := s.Facts(asked)
	if err != nil && asked.Err() != nil && ctx.Err() == nil {
		err = &halibut.ConnectError{Stage: halibut.NoAnswer, Address: m.Address, Presented: certificate, Err: err}
	}
	if err != nil {
		return Probe{Certificate: certificate}, fmt.Errorf("asking for capabilities: %w", err)
	}
	s.learn(facts)
	return Probe{Certificate: certificate, Capabilities: facts.Response().SupportedCapabilities, Facts: facts}, nil
}

// Done is how a step that RunStep ran has ended.
type Done struct {
	Outcome         Outcome
	Reason, Message string
	ExitCode        *int32
	Result          step.Result
	// Inventory is what an inventory step found; nil for others.
	Inventory *step.Inventory
}

// stepGrace is how much longer than its own time-out RunStep waits for a step.
const stepGrace = 30 * time.Second

// RunStep runs a health or inventory step to its end and completes it. It blocks: call it from a worker, not from a
// reconciler. Ticket and nonce are filled in. An error means that it could not be sent.
func (p *Pool) RunStep(ctx context.Context, m Machine, pl step.Plan) (Done, error) {
	ctx, cancel := p.bounded(ctx, pl.Timeout()+stepGrace)
	defer cancel()
	s := p.session(m)
	defer s.release()
	engine, err := s.engine(ctx)
	if err != nil {
		return Done{}, err
	}
	pl.Version = step.Version
	pl.Ticket = step.Ticket(halibut.NewGUID().String(), string(pl.Kind), string(m.UID), 1)
	pl.Nonce = step.Nonce(pl.Ticket)
	command, err := engine.command(pl, nil)
	if err != nil {
		return Done{}, fmt.Errorf("preparing the %s step: %w", pl.Kind, err)
	}
	f := &follower{pool: p, session: s, ticket: command.ScriptTicket, scanner: step.NewScanner(pl.Nonce), cancelled: ctx.Done(),
		patience: stepGrace, waiting: func(tentacle.ProcessState) {}}
	if err := f.start(ctx, command); err != nil {
		return Done{}, fmt.Errorf("sending the %s step: %w", pl.Kind, err)
	}
	v := f.follow(ctx)
	p.completeNow(m, f.ticket, f.last) //nolint:contextcheck // goes on when this call is over, bounded by the pool's own context
	done := Done{Outcome: v.outcome, Reason: v.reason, Message: v.message, ExitCode: v.exitCode, Result: v.result}
	if inventory, found := f.scanner.Inventory(); found {
		done.Inventory = &inventory
	}
	return done, nil
}

// inventoryTimeout bounds an inventory step.
const inventoryTimeout = time.Minute

// Inventory runs an inventory step: what is installed there by the machine's own journal, and which contents it holds.
func (p *Pool) Inventory(ctx context.Context, m Machine) (step.Inventory, error) {
	return p.inventory(ctx, m)
}

func (p *Pool) inventory(ctx context.Context, m Machine) (step.Inventory, error) {
	done, err := p.RunStep(ctx, m, step.Plan{Kind: step.KindInventory, Namespace: m.Namespace, Target: m.Name, TimeoutSeconds: int64(inventoryTimeout.Seconds())})
	if err != nil {
		return step.Inventory{}, err
	}
	if done.Outcome == OutcomeRefused {
		return step.Inventory{}, &refusedError{done.Reason, done.Message}
	}
	if done.Inventory == nil {
		return step.Inventory{}, fmt.Errorf("the inventory step ended as %s: %s", done.Outcome, done.Message)
	}
	return *done.Inventory, nil
}
