package dispatch

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

const (
	// maxBrought bounds how often an engine that went away is brought to the machine again for one action.
	maxBrought = 2
	// baseBits is how many bits the number of an entry has within its start. It leaves maxForgotten starts within 53 bits.
	baseBits = 48
	// maxForgotten bounds how often the engine is asked about a step that its Tentacle has forgotten.
	maxForgotten = 20
)

// startsAgain reports whether a script that ended without the engine's result is to be started again.
func (r *runner) startsAgain(ctx context.Context) bool {
	return r.engineMissing(ctx) || r.forgotten(ctx)
}

// engineMissing reports whether the script ended because the engine is no longer on the machine, so that nothing ran and it
// is to be started again with another one.
func (r *runner) engineMissing(ctx context.Context) bool {
	if r.script.ExitCode() != step.ExitEngineMissing || r.session == nil {
		return false
	}
	r.session.ForgetEngine()
	if r.brought >= maxBrought || r.cancelled.Err() != nil || !r.release(ctx) {
		return false
	}
	r.brought++
	r.shift = r.logged()
	r.mayHaveStarted = r.forgets
	r.script = r.newScript()
	return true
}

// forgotten reports whether a Tentacle that keeps no record of its scripts has lost this one, as it has when it was
// restarted, or cannot tell its output. The engine knows: the step is sent again, and its engine follows the one that runs,
// tells how it ended, or begins, if the first start never did. It is sent under another ticket: the first one's folder is the
// script's for as long as that runs.
func (r *runner) forgotten(ctx context.Context) bool {
	lost := r.script.Forgotten() || r.script.Skipped() || r.script.Lost() || r.script.ExitCode() == tentacle.ExitUnknownResult
	if !lost || r.cancelled.Err() != nil || r.lostBefore >= maxForgotten || !r.attempt(ctx, forgettable) {
		return false
	}
	r.lostBefore++
	r.earlier = append(r.earlier, r.script.Ticket())
	r.ticket = r.Ticket + "-" + strconv.Itoa(r.lostBefore)
	r.base = 0
	if r.script.Finds() {
		r.base = int64(r.lostBefore) << baseBits
	}
	r.forgets, r.mayHaveStarted = true, true
	r.script = r.newScript()
	return true
}

func forgettable(ctx context.Context, s *session.Session) error { return s.Forgettable(ctx) }

// release lets the machine forget the complete script, so that it can be started again.
func (r *runner) release(ctx context.Context) bool {
	return r.attempt(ctx, func(ctx context.Context, s *session.Session) error { return r.script.Release(ctx, s) })
}

// attempt asks the machine for something until it answers, and reports whether it did as it was asked.
func (r *runner) attempt(ctx context.Context, call func(context.Context, *session.Session) error) bool {
	again := session.Doubling(r.config.RetryPause, longestRetry)
	for range confirmTries {
		s, err := r.locate(ctx)
		if err == nil {
			err = call(ctx, s)
		}
		var server *halibut.ServerError
		switch {
		case err == nil:
			return true
		case r.abandoned() || errors.Is(err, session.ErrStartedOnce) || errors.As(err, &server) && !server.Retryable():
			return false
		}
		r.pause(ctx, again.Step())
	}
	return false
}

// logged returns the number of the last entry of the log.
func (r *runner) logged() int64 {
	if r.Log == nil {
		return 0
	}
	return r.Log.Last()
}

// follows prepares a start that follows another of the same step, of which the machine knows nothing: its output comes after
// what the log has, and a line there says what is missing.
func (r *runner) follows() {
	if r.Log == nil {
		return
	}
	last := r.logged()
	if r.shift = r.base; r.base == 0 && last > 0 {
		r.shift = last + 1
	}
	if last == 0 {
		return
	}
	_ = r.Log.Append(r.shift, []tentacle.ProcessOutput{{Source: tentacle.Debug, Occurred: time.Now(), Text: gap}})
}

// gap is the line of a log that says what is missing.
const gap = "[what the step wrote after this, up to its end, is not in this log: the Tentacle has lost it, or could not tell it]"

// newScript returns a Script for the action whose output follows that of earlier ones.
func (r *runner) newScript() *session.Script {
	var to session.Output // a nil LogSink must become a nil Output
	if r.Log != nil {
		if r.forgets {
			r.follows()
		}
		to = shifted{r.Log, r.shift}
	}
	return r.config.Sessions.NewScript(r.ticket, step.Nonce(r.Ticket), to)
}

// shifted is an Output whose entries follow those that a log has.
type shifted struct {
	log LogSink
	by  int64
}

// Append implements session.Output.
func (s shifted) Append(seq int64, out []tentacle.ProcessOutput) error {
	return s.log.Append(seq+s.by, out)
}
