package session

import (
	"context"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// Output takes the output of a script.
type Output interface {
	// Append takes entries; seq is the number of the first. Those that it has are ignored.
	Append(seq int64, out []tentacle.ProcessOutput) error
}

// Script is one script on a machine, as far as its answers were read. It outlives the sessions over which it is asked
// for, so that it can be followed to another address. It is for one goroutine.
type Script struct {
	config Config
	// ticket is the one that the machine knows; over script service V1 it is not the one that was asked for.
	ticket  tentacle.ScriptTicket
	scanner *step.Scanner
	output  Output

	last     int64
	stderr   tail
	lastLine string
	state    tentacle.ProcessState
	exitCode int32
	// heard says that there was an answer, known that the machine knew the ticket, moved that the last answer had news.
	heard, known, moved bool
	// hold is how long the next WaitForStatus is held while the script waits for the machine, poll the pause between
	// polls, and rest the one before the next question.
	hold, poll wait.Backoff
	rest       time.Duration
}

// NewScript makes a Script for a ticket. Of the messages in its output those with the nonce are believed.
func (p *Pool) NewScript(ticket, nonce string, output Output) *Script {
	c := &Script{config: p.config, ticket: tentacle.ScriptTicket{TaskID: ticket}, scanner: step.NewScanner(nonce), output: output}
	c.hold, c.poll = c.short(), c.patient()
	return c
}

func (c *Script) short() wait.Backoff { return Doubling(c.config.PollMin, c.config.PollMax) }

func (c *Script) patient() wait.Backoff {
	return wait.Backoff{Duration: c.config.PollMin, Factor: 1.5, Cap: c.config.PollMax, Steps: maxSteps, Jitter: 0.2}
}

// maxSteps is more than any back-off takes to come to its end.
const maxSteps = 100

// Doubling is a back-off without jitter from the first pause to the longest.
func Doubling(first, longest time.Duration) wait.Backoff {
	return wait.Backoff{Duration: min(first, longest), Factor: 2, Cap: longest, Steps: maxSteps}
}

// Ticket is the one by which the machine knows the script.
func (c *Script) Ticket() tentacle.ScriptTicket { return c.ticket }

// Last is the number of the last entry that was read.
func (c *Script) Last() int64 { return c.last }

// State is the last that the machine told.
func (c *Script) State() tentacle.ProcessState { return c.state }

// ExitCode is the last that the machine told; it has a meaning once the script has Ended.
func (c *Script) ExitCode() int32 { return c.exitCode }

// Known tells whether the machine has known the ticket.
func (c *Script) Known() bool { return c.known }

// Ended tells whether the machine has said how the script ended.
func (c *Script) Ended() bool { return c.heard && c.state == tentacle.Complete }

// Forgotten tells whether the machine says that it does not know the ticket.
func (c *Script) Forgotten() bool { return c.Ended() && c.exitCode == tentacle.ExitUnknownScript }

// Stderr is the end of what the script wrote to its error output.
func (c *Script) Stderr() string { return c.stderr.String() }

// LastError is the last line of the error output. What a Tentacle itself says of a script's end is there.
func (c *Script) LastError() string { return c.lastLine }

// Rest is how long to wait before the next question.
func (c *Script) Rest() time.Duration { return c.rest }

// Result is what the engine said of the step's end; false if it said nothing.
func (c *Script) Result() (step.Result, bool) {
	r, found := c.scanner.Result()
	return cleanResult(r), found
}

// Start starts the script, and takes the machine's first word of it. The error is a *StartError if something of the
// script was sent.
func (c *Script) Start(ctx context.Context, s *Session, command tentacle.StartScriptCommandV2) error {
	if _, err := s.Facts(ctx); err != nil {
		return err
	}
	if err := c.start(ctx, s, command); err != nil {
		return &StartError{err}
	}
	return nil
}

func (c *Script) start(ctx context.Context, s *Session, command tentacle.StartScriptCommandV2) error {
	on, err := s.scripts(ctx)
	if err != nil {
		return err
	}
	r, err := on.start(ctx, command)
	if err != nil {
		return err
	}
	c.ticket = r.Ticket
	c.take(r)
	return nil
}

// Found is what a machine says of a ticket that an earlier process may have started.
type Found struct {
	// Known says that the machine knows it.
	Known bool
	// Forgets says that the machine may have started it and not know it any more.
	Forgets bool
}

// Find asks whether the machine knows the ticket, and takes its answer if it does.
func (c *Script) Find(ctx context.Context, s *Session) (Found, error) {
	facts, err := s.Facts(ctx)
	if err != nil {
		return Found{}, err
	}
	on := s.scriptsOf(facts)
	if !on.finds() {
		return Found{Forgets: !facts.Mantle()}, nil
	}
	r, err := on.status(ctx, c.ticket, 0)
	switch {
	case err != nil:
		return Found{}, err
	case r.State == tentacle.Complete && r.ExitCode == tentacle.ExitUnknownScript:
		return Found{Forgets: !facts.Mantle()}, nil
	}
	c.take(r)
	return Found{Known: true}, nil
}

// Finds tells whether the machine can be asked for a ticket that it was given; an error if it did not say.
func (s *Session) Finds(ctx context.Context) (bool, error) {
	on, err := s.scripts(ctx)
	if err != nil {
		return false, err
	}
	return on.finds(), nil
}

// Ask asks how far the script is. A machine that can holds its answer until there is something to say, at most that
// long. While the script waits for the machine, it is held for a shorter time: the turn may have come between two
// questions, which says nothing.
func (c *Script) Ask(ctx context.Context, s *Session, longest time.Duration) error {
	facts, err := s.Facts(ctx)
	if err != nil {
		return err
	}
	asked, held := time.Now(), false
	var r tentacle.ScriptStatusResponseV2
	if facts.Has(tentacle.MantleScriptServiceName) && s.pool.followers.TryEnter(s.key.namespace) {
		held = true
		r, err = s.WaitForStatus(ctx, tentacle.WaitForStatusCommandV1{Ticket: c.ticket, LastLogSequence: c.last, MaxWait: halibut.TimeSpan(min(c.holding(), longest))})
		s.pool.followers.Leave(s.key.namespace)
	} else {
		r, err = s.scriptsOf(facts).status(ctx, c.ticket, c.last)
	}
	if err != nil {
		return err
	}
	c.take(r)
	c.pace(held, time.Since(asked))
	c.rest = max(c.rest, min(s.pool.answers.owed(s.key.namespace), c.config.PollMax))
	return nil
}

// Cancel asks for the script's end.
func (c *Script) Cancel(ctx context.Context, s *Session) error {
	on, err := s.scripts(ctx)
	if err != nil {
		return err
	}
	r, err := on.cancel(ctx, c.ticket, c.last)
	if err != nil {
		return err
	}
	c.take(r)
	c.pace(false, 0)
	return nil
}

// Confirm asks once more if a Complete status may lack the last lines, as Octopus's Tentacles read the output before the
// state. What they said first of the end holds.
func (c *Script) Confirm(ctx context.Context, s *Session) error {
	facts, err := s.Facts(ctx)
	if err != nil || facts.Mantle() {
		return err
	}
	r, err := s.scriptsOf(facts).status(ctx, c.ticket, c.last)
	if err != nil {
		return err
	}
	r.State, r.ExitCode = c.state, c.exitCode
	c.take(r)
	return nil
}

// Pending tells whether the machine lets the script wait.
func (c *Script) Pending() bool { return c.heard && c.state == tentacle.Pending }

func (c *Script) log(err error) {
	if c.config.Logger != nil {
		c.config.Logger.Error("keeping output", "ticket", c.ticket.TaskID, slog.Any("err", err))
	}
}
