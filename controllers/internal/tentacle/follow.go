package tentacle

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// follower reads one script to its end.
type follower struct {
	pool      *Pool
	session   *session
	ticket    tentacle.ScriptTicket
	scanner   *step.Scanner
	sink      LogSink
	cancelled <-chan struct{}
	// patience is how long it keeps asking a machine that does not answer.
	patience time.Duration
	// waiting is told of the script's state as it changes.
	waiting func(tentacle.ProcessState)

	last     int64
	stderr   tail
	response tentacle.ScriptStatusResponseV2
	seen     bool
	moved    bool
}

// take reads an answer: the output that is new, and the state.
func (f *follower) take(r tentacle.ScriptStatusResponseV2) {
	first := r.NextLogSequence - int64(len(r.Logs)) + 1
	shown, at := []tentacle.ProcessOutput(nil), int64(0)
	flush := func() {
		if f.sink != nil && len(shown) > 0 {
			if err := f.sink.Append(at, shown); err != nil {
				f.pool.config.Logger.Error("keeping output", "ticket", f.ticket.TaskID, "err", err)
			}
		}
		shown = nil
	}
	for i, entry := range r.Logs {
		seq := first + int64(i)
		if seq <= f.last {
			continue
		}
		text, show := f.scanner.Line(entry.Source, entry.Text)
		if entry.Source == tentacle.StdErr {
			f.stderr.add(text)
		}
		if !show {
			flush()
			continue
		}
		if len(shown) == 0 {
			at = seq
		}
		entry.Text = text
		shown = append(shown, entry)
	}
	flush()
	f.moved = r.NextLogSequence > f.last || !f.seen || r.State != f.response.State
	f.last = max(f.last, r.NextLogSequence)
	r.Logs = nil
	f.response, f.seen = r, true
	f.waiting(r.State)
}

// takeUp asks the machine about a script that an earlier process may have started. It answers false where the machine
// does not know it; a verdict where nobody can tell.
func (f *follower) takeUp(ctx context.Context) (verdict, bool) {
	until := time.Now().Add(f.patience)
	for pause := f.pool.config.RetryPause; ; pause = min(2*pause, 10*time.Second) {
		r, err := f.session.GetStatus(ctx, tentacle.ScriptStatusRequestV2{Ticket: f.ticket})
		switch {
		case err == nil && r.State == tentacle.Complete && r.ExitCode == tentacle.ExitUnknownScript:
			return verdict{}, false
		case err == nil:
			f.take(r)
			return verdict{}, true
		case time.Now().After(until), !f.pool.sleep(ctx, pause):
			return lost("the machine did not answer: " + err.Error()), false
		}
	}
}

// follow reads until the script is complete, across lost connections.
func (f *follower) follow(ctx context.Context) verdict {
	poll, pause := f.pool.config.PollMin, f.pool.config.RetryPause
	var silent time.Time
	for {
		if f.seen && f.response.State == tentacle.Complete {
			return f.judge()
		}
		r, held, err := f.ask(ctx)
		if err != nil {
			if silent.IsZero() {
				silent = time.Now()
			}
			if time.Since(silent) > f.patience || !f.pool.sleep(ctx, pause) {
				return lost("the machine stopped answering: " + err.Error())
			}
			pause = min(2*pause, 10*time.Second)
			continue
		}
		silent, pause = time.Time{}, f.pool.config.RetryPause
		f.take(r)
		if held || f.response.State == tentacle.Complete {
			continue
		}
		if f.moved {
			poll = f.pool.config.PollMin
		} else {
			poll = min(poll*3/2, f.pool.config.PollMax)
		}
		jittered := poll*9/10 + time.Duration(rand.Int64N(int64(poll)/5+1)) //nolint:gosec // polls are spread, not hidden
		if !f.nap(ctx, jittered) {
			return lost("the operator stopped")
		}
	}
}

// ask sends the one request that fits now. held says that the machine itself waited with its answer.
func (f *follower) ask(ctx context.Context) (r tentacle.ScriptStatusResponseV2, held bool, err error) {
	select {
	case <-f.cancelled:
		r, err = f.session.CancelScript(ctx, tentacle.CancelScriptCommandV2{Ticket: f.ticket, LastLogSequence: f.last})
		return r, false, err
	default:
	}
	facts, err := f.session.facts(ctx)
	if err != nil {
		return r, false, err
	}
	if facts.Has(tentacle.MantleScriptServiceName) {
		select {
		case f.pool.followers <- struct{}{}:
			defer func() { <-f.pool.followers }()
			r, err = f.wait(ctx)
			return r, true, err
		default:
		}
	}
	r, err = f.session.GetStatus(ctx, tentacle.ScriptStatusRequestV2{Ticket: f.ticket, LastLogSequence: f.last})
	return r, false, err
}

// wait lets the machine hold its answer until there is something to say, or a cancel.
func (f *follower) wait(ctx context.Context) (tentacle.ScriptStatusResponseV2, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-f.cancelled:
			stop()
		case <-ctx.Done():
		}
	}()
	r, err := f.session.WaitForStatus(ctx, tentacle.WaitForStatusCommandV1{Ticket: f.ticket, LastLogSequence: f.last, MaxWait: halibut.TimeSpan(f.pool.config.Wait)})
	select {
	case <-f.cancelled:
		if err != nil {
			return f.session.CancelScript(context.WithoutCancel(ctx), tentacle.CancelScriptCommandV2{Ticket: f.ticket, LastLogSequence: f.last})
		}
	default:
	}
	return r, err
}

// nap is a sleep that a cancel ends early.
func (f *follower) nap(ctx context.Context, d time.Duration) bool {
	select {
	case <-f.cancelled: // asked already: keep the pause between two requests
		return f.pool.sleep(ctx, min(d, f.pool.config.PollMin))
	default:
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-f.cancelled:
	case <-timer.C:
	}
	return true
}
