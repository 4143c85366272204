package tentacle

import (
	"context"
	"errors"
	"time"

	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// start starts the script, and takes the machine's first word of it.
func (f *follower) start(ctx context.Context, command tentacle.StartScriptCommandV2) error {
	on, err := f.session.scripts(ctx)
	if err != nil {
		return err
	}
	if f.isDropped() {
		return errDropped
	}
	r, err := on.start(ctx, command)
	if err != nil {
		return &startError{err}
	}
	f.ticket = r.Ticket
	f.take(r)
	return nil
}

// asked gives the status of a script by the action's own ticket. Where the machine finds nothing by it, it is as unknown
// as if it had never been started.
func (f *follower) asked(ctx context.Context) (tentacle.ScriptStatusResponseV2, error) {
	on, err := f.session.scripts(ctx)
	if err != nil {
		return tentacle.ScriptStatusResponseV2{}, err
	}
	if !on.finds() {
		return tentacle.UnknownTicket(f.ticket, 0), nil
	}
	return on.status(ctx, f.ticket, 0)
}

// takeUp asks the machine about a script that an earlier process may have started. It answers false where the machine
// does not know it; a verdict where nobody can tell.
func (f *follower) takeUp(ctx context.Context) (verdict, bool) {
	until := time.Now().Add(f.patience)
	for pause := f.pool.config.RetryPause; ; pause = min(2*pause, 10*time.Second) {
		r, err := f.asked(ctx)
		switch {
		case err == nil && unknown(r):
			facts, err := f.session.facts(ctx)
			f.again = err == nil && !facts.Mantle() // it may have forgotten the script; its engine has not
			return verdict{}, false
		case err == nil:
			f.take(r)
			return verdict{}, true
		}
		f.failed(err)
		if f.isDropped() {
			return dropped(), false
		}
		if time.Now().After(until) || !f.pool.sleep(ctx, pause) {
			return lost("the machine did not answer: " + err.Error()), false
		}
	}
}

// errDropped is the error of a start that nobody wants any more.
var errDropped = errors.New("it is not to be started any more")

func (f *follower) isDropped() bool {
	select {
	case <-f.dropped:
		return true
	default:
		return false
	}
}

// dropped is the verdict on what was not started as nobody wants it any more; nobody will read it either.
func dropped() verdict {
	return verdict{outcome: OutcomeCancelled, reason: v1alpha1.ReasonCancelled, message: errDropped.Error()}
}

// barred is the verdict on an action that the machine does not know and that must not be started any more.
func (f *follower) barred(b Barred) verdict {
	switch {
	case f.again:
		return lost("the machine forgets what it started, and it cannot be started again: " + b.Message)
	case f.isCancelled():
		return verdict{outcome: OutcomeCancelled, reason: v1alpha1.ReasonCancelled, message: "cancelled before it began"}
	default:
		return failed(b.Reason, b.Message)
	}
}

// confirmTries bounds how often the last lines are asked for.
const confirmTries = 10

// confirm asks once more where a Complete status may lack the last lines, as Octopus's Tentacles read the output before
// the state. What they said first of the end holds.
func (f *follower) confirm(ctx context.Context) {
	for range confirmTries {
		facts, err := f.session.facts(ctx)
		if err == nil && facts.Mantle() {
			return
		}
		on, err := f.session.scripts(ctx)
		if err == nil {
			var r tentacle.ScriptStatusResponseV2
			if r, err = on.status(ctx, f.ticket, f.last); err == nil {
				r.State, r.ExitCode = f.response.State, f.response.ExitCode
				f.take(r)
				return
			}
		}
		f.failed(err)
		if _, found := f.scanner.Result(); found || !f.pool.sleep(ctx, f.pool.config.RetryPause) {
			return // all that matters is there
		}
	}
}
