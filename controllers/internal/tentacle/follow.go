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
	pool    *Pool
	session *session
	// ticket is the one that the machine knows; over script service V1 it is not the action's.
	ticket    tentacle.ScriptTicket
	scanner   *step.Scanner
	sink      appender
	cancelled <-chan struct{}
	// dropped is closed once nobody wants to have the script started any more; nil where that never happens.
	dropped <-chan struct{}
	// patience is how long it keeps asking a machine that does not answer.
	patience time.Duration
	// waiting is told of the script's state as it changes, unreached of errors.
	waiting   func(tentacle.ProcessState)
	unreached func(error)

	last     int64
	stderr   tail
	response tentacle.ScriptStatusResponseV2
	// seen says that there is a response, known that the machine knew the ticket, moved that the last one had news.
	seen, known, moved bool
	// again says that this may be a second start of the step: then the engine waits for the first one and tells how it
	// ended, but a cancel reaches only the second.
	again bool
	// glance is how long the next WaitForStatus is held while the script waits for the machine.
	glance time.Duration
}

// appender is the half of a LogSink that output goes into.
type appender interface {
	Append(seq int64, out []tentacle.ProcessOutput) error
}

const (
	// pace is the least time between two questions about a script that has news all the time.
	pace = 20 * time.Millisecond
	// cancelTime bounds one CancelScript.
	cancelTime = 30 * time.Second
)

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
		as, show := f.scanner.Line(entry.Source, entry.Text)
		if as == tentacle.StdErr {
			f.stderr.add(entry.Text)
		}
		if !show {
			flush()
			continue
		}
		if len(shown) == 0 {
			at = seq
		}
		entry.Source = as
		shown = append(shown, entry)
	}
	flush()
	f.moved = r.NextLogSequence > f.last || !f.seen || r.State != f.response.State
	f.last = max(f.last, r.NextLogSequence)
	r.Logs = nil
	f.response, f.seen = r, true
	f.look(r.State)
	f.known = f.known || !unknown(r)
	f.waiting(r.State)
}

// look sets how long the next WaitForStatus is held.
func (f *follower) look(state tentacle.ProcessState) {
	if state != tentacle.Pending {
		f.glance = f.pool.config.Wait
		return
	}
	f.glance = min(max(2*f.glance, f.pool.config.PollMin), f.pool.config.PollMax, f.pool.config.Wait)
}

// unknown tells whether the machine says that it does not know the ticket.
func unknown(r tentacle.ScriptStatusResponseV2) bool {
	return r.State == tentacle.Complete && r.ExitCode == tentacle.ExitUnknownScript
}

// ended tells whether the machine has said how the script ended.
func (f *follower) ended() bool { return f.seen && f.response.State == tentacle.Complete }

// failed notes that a question was not answered.
func (f *follower) failed(err error) {
	f.session.forgetFacts()
	if f.unreached != nil {
		f.unreached(err)
	}
}

// follow reads until the script is complete, across lost connections.
func (f *follower) follow(ctx context.Context) verdict {
	poll, pause := f.pool.config.PollMin, f.pool.config.RetryPause
	var silent time.Time
	for !f.ended() {
		asked := time.Now()
		r, held, err := f.ask(ctx)
		if err != nil {
			f.failed(err)
			if silent.IsZero() {
				silent = asked
			}
			if time.Since(silent) > f.patience || !f.pool.sleep(ctx, pause) {
				return lost("the machine stopped answering: " + err.Error())
			}
			pause = min(2*pause, 10*time.Second)
			continue
		}
		silent, pause = time.Time{}, f.pool.config.RetryPause
		f.take(r)
		if f.moved {
			poll = f.pool.config.PollMin
		} else {
			poll = min(poll*3/2, f.pool.config.PollMax)
		}
		if !f.ended() && !f.nap(ctx, f.rest(poll, held, time.Since(asked))) {
			return lost("the operator stopped asking")
		}
	}
	f.confirm(ctx)
	return f.judge()
}

// rest is how long to wait before the next question. A machine that held its answer has waited already; one that
// answers at once with nothing new is polled like any other.
func (f *follower) rest(poll time.Duration, held bool, took time.Duration) time.Duration {
	switch {
	case held && (f.moved || took >= f.pool.config.PollMin):
		return max(pace-took, 0)
	default:
		return poll*9/10 + time.Duration(rand.Int64N(int64(poll)/5+1)) //nolint:gosec // polls are spread, not hidden
	}
}

// ask sends the one request that fits now. held says that the machine itself waited with its answer.
func (f *follower) ask(ctx context.Context) (r tentacle.ScriptStatusResponseV2, held bool, err error) {
	select {
	case <-f.cancelled:
		r, err = f.cancel(ctx)
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
	on, err := f.session.scripts(ctx)
	if err != nil {
		return r, false, err
	}
	r, err = on.status(ctx, f.ticket, f.last)
	return r, false, err
}

// cancel asks for the script's end. It does so also when the caller's time is over, which is why RunStep cancels.
func (f *follower) cancel(ctx context.Context) (tentacle.ScriptStatusResponseV2, error) {
	ctx, stop := f.pool.bounded(context.WithoutCancel(ctx), cancelTime)
	defer stop()
	on, err := f.session.scripts(ctx)
	if err != nil {
		return tentacle.ScriptStatusResponseV2{}, err
	}
	return on.cancel(ctx, f.ticket, f.last)
}

// wait lets the machine hold its answer until there is something to say, or a cancel. While the script waits for the
// machine the answer is held for a shorter time: its turn may have come between two questions, which says nothing.
func (f *follower) wait(ctx context.Context) (tentacle.ScriptStatusResponseV2, error) {
	held, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-f.cancelled:
			stop()
		case <-held.Done():
		}
	}()
	r, err := f.session.WaitForStatus(held, tentacle.WaitForStatusCommandV1{Ticket: f.ticket, LastLogSequence: f.last, MaxWait: halibut.TimeSpan(f.glance)})
	select {
	case <-f.cancelled:
		if err != nil {
			return f.cancel(ctx)
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
	if d <= 0 {
		return ctx.Err() == nil
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
