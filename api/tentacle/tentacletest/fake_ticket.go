package tentacletest

import (
	"context"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

const (
	// gather is how long WaitForStatus waits for more after the first new entry.
	gather = 200 * time.Millisecond
	// enough new output is answered at once.
	enough = 64 << 10
	// unlimited is from where on a mutex timeout is none: what clients send that want none.
	unlimited = 24 * 24 * time.Hour
)

// ticket is one script. The machine's lock guards it.
type ticket struct {
	owner   halibut.Thumbprint
	command *tentacle.StartScriptCommandV2
	// begun is closed once command is set.
	begun chan struct{}
	// stopped is closed when the script is to end.
	stopped chan struct{}
	// changed is closed, and replaced, whenever something changes.
	changed chan struct{}

	state    tentacle.ProcessState
	exitCode int32
	output   output
	// cancelled tells that stop was called; completed that CompleteScript was; forestalled that a cancel came
	// before the start.
	cancelled, completed, forestalled bool
	// told is that one status has said Complete too early; see Generation.
	told bool
}

func (m *machine) newTicket(owner halibut.Thumbprint) *ticket {
	return &ticket{
		owner: owner, output: output{whole: m.octopus()},
		begun: make(chan struct{}), stopped: make(chan struct{}), changed: make(chan struct{}),
	}
}

func (k *ticket) announce() {
	close(k.changed)
	k.changed = make(chan struct{})
}

func (k *ticket) add(source tentacle.ProcessOutputSource, text string) {
	if k.completed {
		return
	}
	k.output.add(source, text)
	k.announce()
}

func (k *ticket) finish(exitCode int32) {
	if k.state == tentacle.Complete {
		return
	}
	k.output.close()
	k.state, k.exitCode = tentacle.Complete, exitCode
	k.announce()
}

// complete lets go of all but the exit code.
func (k *ticket) complete() {
	if k.state == tentacle.Pending {
		k.stop()
	}
	k.completed = true
	k.output = output{}
	k.announce()
}

// stop ends a waiting script at once, and asks a running one to end.
func (k *ticket) stop() {
	if k.cancelled || k.state == tentacle.Complete || k.forestalled {
		return
	}
	k.cancelled = true
	close(k.stopped)
	if k.state == tentacle.Pending {
		k.add(tentacle.StdErr, "the script was cancelled before it began")
		k.finish(tentacle.ExitCanceled)
	}
}

func (k *ticket) status(asked tentacle.ScriptTicket, last int64) tentacle.ScriptStatusResponseV2 {
	logs, next, more := k.output.after(last)
	r := tentacle.ScriptStatusResponseV2{
		Ticket: asked, Logs: logs, NextLogSequence: next, State: k.state, ExitCode: k.exitCode,
	}
	if r.State == tentacle.Complete && more {
		r.State, r.ExitCode = tentacle.Running, 0
	}
	return r
}

// await returns when the ticket is Complete, or after the time.
func (m *machine) await(ctx context.Context, k *ticket, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		m.mu.Lock()
		over, changed := k.state == tentacle.Complete || k.completed, k.changed
		m.mu.Unlock()
		if over {
			return nil
		}
		select {
		case <-changed:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m *machine) WaitForStatus(ctx context.Context, c tentacle.WaitForStatusCommandV1) (tentacle.ScriptStatusResponseV2, error) {
	deadline := time.Now().Add(c.MaxWait.Duration())
	first := true
	var state tentacle.ProcessState
	for {
		m.mu.Lock()
		k := m.find(ctx, c.Ticket)
		if k == nil {
			m.mu.Unlock()
			return tentacle.UnknownTicket(c.Ticket, c.LastLogSequence), nil
		}
		if first {
			state, first = k.state, false
		}
		due := deadline
		if since, size := k.output.news(c.LastLogSequence); size >= enough {
			due = time.Time{}
		} else if size > 0 && since.Add(gather).Before(due) {
			due = since.Add(gather)
		}
		left := time.Until(due)
		if k.state == tentacle.Complete || k.state != state || left <= 0 {
			r := k.status(c.Ticket, c.LastLogSequence)
			m.mu.Unlock()
			return r, nil
		}
		changed := k.changed
		m.mu.Unlock()
		if err := pause(ctx, changed, left); err != nil {
			return tentacle.ScriptStatusResponseV2{}, err
		}
	}
}

func pause(ctx context.Context, changed <-chan struct{}, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// run takes a ticket through its mutex and its script.
func (m *machine) run(k *ticket, e *Execution, place *place) {
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		place.leave()
	}()
	if !m.turn(k, e, place) {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-k.stopped:
			cancel()
		case <-ctx.Done():
		}
	}()
	code := m.launched(ctx, e)
	m.mu.Lock()
	defer m.mu.Unlock()
	if k.cancelled && !m.octopus() {
		code = tentacle.ExitCanceled
	}
	k.finish(code)
}

// turn waits for the mutex and tells whether the script is to run.
func (m *machine) turn(k *ticket, e *Execution, place *place) bool {
	if !place.granted() {
		m.mu.Lock()
		k.add(tentacle.StdOut, tentacle.StdoutWait)
		k.add(tentacle.StdOut, "Waiting for other scripts on this machine to end")
		k.add(tentacle.StdOut, tentacle.StdoutDefault)
		m.mu.Unlock()
	}
	var timeout <-chan time.Time
	if d := e.Command.ScriptIsolationMutexTimeout.Duration(); d > 0 && d < unlimited {
		timer := time.NewTimer(d)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-place.turn:
	case <-k.stopped:
		return false
	case <-timeout:
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case k.state == tentacle.Complete:
		return false
	case !place.granted():
		k.add(tentacle.StdOut, tentacle.TimedOutLine)
		k.add(tentacle.StdErr, "the wait for the isolation mutex timed out")
		k.finish(tentacle.ExitTimeout)
		return false
	}
	k.state = tentacle.Running
	m.executions = append(m.executions, e)
	k.announce()
	return true
}
