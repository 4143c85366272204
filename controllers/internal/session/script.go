package session

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// Output stores the output of a script.
type Output interface {
	// Append stores entries; seq is the number of the first. An entry that Continues has the number of the next one. It must
	// ignore those that it already has.
	Append(seq int64, out []tentacle.ProcessOutput) error
}

// Script is one script on a machine and the state of reading its output. It outlives a Session, so that it can be
// followed to another address. It must be used by one goroutine only.
type Script struct {
	config Config
	// ticket is the one that the machine knows; over script service V1 the machine chooses it.
	ticket  tentacle.ScriptTicket
	scanner *step.Scanner
	output  Output

	reader
	stderr   tail
	lastLine string
	state    tentacle.ProcessState
	exitCode int32
	// hasResponse is true after the first answer, known if the machine knew the ticket, progressed if the last answer had
	// news.
	hasResponse, known, progressed bool
	// holdFor is MaxWait of the next WaitForStatus while the script waits for the machine's mutex, poll the pause between
	// polls, and delay the one before the next request.
	// soon counts the answers in a row that came within minPause.
	holdFor, poll wait.Backoff
	delay         time.Duration
	soon          int
	// asked is the time of the first request. unheld says that the machine cannot hold its answer until there is news, and
	// finds that it knows the operator's own tickets.
	asked         time.Time
	unheld, finds bool
}

// NewScript returns a Script for a ticket. Messages in its output are read only if they have the nonce.
func (p *Pool) NewScript(ticket, nonce string, output Output) *Script {
	c := &Script{config: p.config, ticket: tentacle.ScriptTicket{TaskID: ticket}, scanner: step.NewScanner(nonce), output: output}
	c.holdFor, c.poll = c.shortBackoff(), c.pollBackoff()
	return c
}

func (c *Script) shortBackoff() wait.Backoff { return Doubling(c.config.PollMin, c.config.PollMax) }

func (c *Script) pollBackoff() wait.Backoff {
	return wait.Backoff{Duration: c.config.PollMin, Factor: 1.5, Cap: c.config.PollMax, Steps: maxSteps, Jitter: 0.2}
}

// maxSteps is more steps than any back-off needs to reach its cap.
const maxSteps = 100

// Doubling returns a back-off without jitter from the first pause to the longest.
func Doubling(first, longest time.Duration) wait.Backoff {
	return wait.Backoff{Duration: min(first, longest), Factor: 2, Cap: longest, Steps: maxSteps}
}

// Ticket returns the ticket under which the machine has the script.
func (c *Script) Ticket() tentacle.ScriptTicket { return c.ticket }

// Last returns the number of the last log entry that was read.
func (c *Script) Last() int64 { return c.last }

// State returns the state in the machine's last answer.
func (c *Script) State() tentacle.ProcessState { return c.state }

// ExitCode returns the exit code in the machine's last answer; it is valid if the script has Ended.
func (c *Script) ExitCode() int32 { return c.exitCode }

// Known reports whether the machine has known the ticket.
func (c *Script) Known() bool { return c.known }

// Ended reports whether the script is complete.
func (c *Script) Ended() bool { return c.hasResponse && c.state == tentacle.Complete }

// Forgotten reports whether the machine does not know the ticket.
func (c *Script) Forgotten() bool { return c.Ended() && c.exitCode == tentacle.ExitUnknownScript }

// Finds reports whether the machine knows the script under the operator's own ticket, so that another operator finds it.
func (c *Script) Finds() bool { return c.finds }

// Lost reports whether the machine seems to have forgotten the script: over script service V1 it then answers with exit
// code 0.
func (c *Script) Lost() bool {
	_, found := c.scanner.Result()
	return c.Ended() && !c.finds && c.exitCode == 0 && !found
}

// Stderr returns the end of the script's error output.
func (c *Script) Stderr() string { return c.stderr.String() }

// LastError returns the last line of the error output. A Tentacle writes its own message about a script's end there.
func (c *Script) LastError() string { return c.lastLine }

// Delay returns how long to wait before the next request.
func (c *Script) Delay() time.Duration { return c.delay }

// Result returns the engine's result of the step; false if there is none.
func (c *Script) Result() (step.Result, bool) {
	r, found := c.scanner.Result()
	return cleanResult(r), found
}

// startWait is how long a machine holds its answer to StartScript for the script's end, so that a short script needs no
// further request.
const startWait = 2 * time.Second

// Start starts the script and stores the machine's first answer. The error is a *StartError if the script may have been
// sent.
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
	facts, err := s.Facts(ctx)
	if err != nil {
		return err
	}
	if command.DurationToWaitForScriptToFinish == nil {
		wait := halibut.TimeSpan(startWait)
		command.DurationToWaitForScriptToFinish = &wait
	}
	r, err := c.request(ctx, s, facts, 0, func(ctx context.Context, on scripts) (tentacle.ScriptStatusResponseV2, error) {
		return on.start(ctx, command)
	})
	if err != nil {
		return err
	}
	c.ticket = r.Ticket
	c.take(r)
	return nil
}

// Found is a machine's answer about a ticket that an earlier process may have started.
type Found struct {
	// Known is true if the machine knows the ticket.
	Known bool
	// Forgets is true if the machine may have started the ticket and no longer know it.
	Forgets bool
}

// Find asks whether the machine knows the ticket, and stores the script's state if it does.
func (c *Script) Find(ctx context.Context, s *Session) (Found, error) {
	facts, err := s.Facts(ctx)
	if err != nil {
		return Found{}, err
	}
	if !s.scriptsOf(facts).finds() {
		return Found{Forgets: !facts.Mantle()}, nil
	}
	r, err := c.status(ctx, s, facts, 0)
	switch {
	case err != nil:
		return Found{}, err
	case r.State == tentacle.Complete && r.ExitCode == tentacle.ExitUnknownScript:
		c.forget() // what it says is not the script's
		return Found{Forgets: !facts.Mantle()}, nil
	}
	c.take(r)
	return Found{Known: true}, nil
}

// status requests the script's state and the output after last.
func (c *Script) status(ctx context.Context, s *Session, facts tentacle.Facts, last int64) (tentacle.ScriptStatusResponseV2, error) {
	return c.request(ctx, s, facts, last, func(ctx context.Context, on scripts) (tentacle.ScriptStatusResponseV2, error) {
		return on.status(ctx, c.ticket, last)
	})
}

// Finds reports whether the machine can be asked about the operator's own tickets.
func (s *Session) Finds(ctx context.Context) (bool, error) {
	on, err := s.scripts(ctx)
	if err != nil {
		return false, err
	}
	return on.finds(), nil
}

// Ask requests the script's state and new output. A Mantle Tentacle holds its answer until there is news, at most for
// longest. While the script waits for the machine's mutex the time is shorter, because getting the mutex is no news to
// which the machine answers.
func (c *Script) Ask(ctx context.Context, s *Session, longest time.Duration) error {
	facts, err := s.Facts(ctx)
	if err != nil {
		return err
	}
	asked, held := time.Now(), false
	var r tentacle.ScriptStatusResponseV2
	if facts.Has(tentacle.MantleScriptServiceName) && s.pool.followers.TryEnter(s.key.namespace) {
		held = true
		r, err = c.request(ctx, s, facts, c.last, func(ctx context.Context, on scripts) (tentacle.ScriptStatusResponseV2, error) {
			return on.wait(ctx, c.ticket, c.last, min(c.holding(), longest))
		})
		s.pool.followers.Leave(s.key.namespace)
	} else {
		r, err = c.pollStatus(ctx, s, facts)
	}
	if err != nil {
		return err
	}
	c.take(r)
	c.setDelay(held, time.Since(asked))
	c.delay = max(c.delay, min(s.pool.answers.owed(s.key.namespace), c.config.PollMax))
	return nil
}

// Cancel asks the machine to end the script.
func (c *Script) Cancel(ctx context.Context, s *Session) error {
	facts, err := s.Facts(ctx)
	if err != nil {
		return err
	}
	r, err := c.request(ctx, s, facts, c.last, func(ctx context.Context, on scripts) (tentacle.ScriptStatusResponseV2, error) {
		return on.cancel(ctx, c.ticket, c.last)
	})
	if err != nil {
		return err
	}
	c.take(r)
	c.setDelay(false, 0)
	return nil
}

// Confirm requests the status of a complete script once more if it may lack the last output: Octopus's Tentacles read the
// output before the state. The exit code of the first answer is kept.
func (c *Script) Confirm(ctx context.Context, s *Session) error {
	facts, err := s.Facts(ctx)
	if err != nil || facts.Mantle() {
		return err
	}
	r, err := c.status(ctx, s, facts, c.last)
	if err != nil {
		return err
	}
	c.skipped = false
	r.State, r.ExitCode = c.state, c.exitCode
	c.take(r)
	return nil
}

// Forgettable returns nil if the machine may forget a script that still runs, and ErrStartedOnce if it may not.
func (s *Session) Forgettable(ctx context.Context) error {
	facts, err := s.Facts(ctx)
	if err == nil && facts.Mantle() {
		err = ErrStartedOnce
	}
	return err
}

// Release lets the machine forget a complete script, and delete its folder, so that its ticket can be started again. A Mantle
// Tentacle does not start a ticket again.
func (c *Script) Release(ctx context.Context, s *Session) error {
	if err := s.Forgettable(ctx); err != nil {
		return err
	}
	facts, err := s.Facts(ctx)
	if err != nil {
		return err
	}
	last := c.last
	if c.skipped {
		last = maxSequence // over V1 the answer has the output after it
	}
	return s.scriptsOf(facts).complete(ctx, c.ticket, last)
}

// ErrStartedOnce is the error of Release for a Mantle Tentacle.
var ErrStartedOnce = errors.New("the machine does not start a ticket again")

// Pending reports whether the script waits for the machine's mutex.
func (c *Script) Pending() bool { return c.hasResponse && c.state == tentacle.Pending }

func (c *Script) log(err error) {
	if c.config.Logger != nil {
		c.config.Logger.Error("storing output", "ticket", c.ticket.TaskID, slog.Any("err", err))
	}
}
