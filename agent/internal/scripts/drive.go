package scripts

import (
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/agent/internal/process/output"
	"github.com/mantledeploy/mantle/api/tentacle"
)

const (
	// launches is how often a supervisor is started for a ticket that none of them claims, and breather how
	// long it takes longer to the next one each time.
	launches = 3
	breather = 50 * time.Millisecond
	// decidePause is how long it takes to the next try to settle a ticket when the disk takes nothing.
	decidePause = time.Second
)

// follow starts the goroutine of a ticket, which ends when the ticket is finished or the Store is closed.
// turn is its place at the mutex.
func (s *Store) follow(t *ticket, turn *turn) {
	s.alive.Go(func() {
		defer s.mutexes.leave(turn)
		defer t.drop()
		if phase, _, _ := t.snapshot(); phase == recorded {
			if !s.awaitTurn(t, turn) || !s.launch(t) {
				return
			}
		}
		for !s.watch(t) {
			if !s.launch(t) {
				return
			}
		}
	})
}

// awaitTurn waits for the mutex, and says whether the ticket is to be launched, or has been by somebody.
func (s *Store) awaitTurn(t *ticket, turn *turn) bool {
	notice := time.NewTimer(s.cfg.Notice)
	defer notice.Stop()
	var timeout <-chan time.Time
	if t.record.Timeout > 0 {
		timer := time.NewTimer(t.patience())
		defer timer.Stop()
		timeout = timer.C
	}
	for {
		if t.isCancelled() {
			return s.decide(t, process.Result{ExitCode: tentacle.ExitCanceled, Line: "The script was cancelled before it began.", Source: output.StdErr})
		}
		select {
		case <-turn.granted:
			if err := s.enter(t); err != nil {
				s.auditRefusal(s.life, t, audit.Turn, refusedError{err})
				return s.decide(t, process.Result{ExitCode: tentacle.ExitRefused, Line: refusedError{err}.Error(), Source: output.StdErr})
			}
			return s.life.Err() == nil
		case <-t.poke:
		case <-notice.C:
			s.tellOfWait(t)
		case <-timeout:
			s.tellOfWait(t)
			return s.decide(t, process.Result{ExitCode: tentacle.ExitTimeout, Line: "Script execution timed out.", Source: output.StdOut})
		case <-s.life.Done():
			return false
		}
	}
}

// patience is how long a ticket still waits for its mutex. A change of the clock does not matter to one that this daemon received.
func (t *ticket) patience() time.Duration {
	if t.fresh {
		return time.Until(t.born.Add(t.record.Timeout))
	}
	return time.Until(t.record.Arrived.Add(t.record.Timeout))
}

// tellOfWait writes the lines that say what a script waits for, once. A ticket of an earlier daemon goes
// without: a supervisor that was launched then may be about to write.
func (s *Store) tellOfWait(t *ticket) {
	if !t.fresh {
		return
	}
	w, err := output.OpenWriter(t.dir, s.cfg.Output)
	if err != nil {
		s.cfg.Logger.Warn("Writing that a script waits", "ticket", t.record.Ticket, "error", err)
		return
	}
	if w.Last() == 0 {
		w.Line(output.StdOut, tentacle.StdoutWait)
		w.Line(output.StdOut, s.waitsFor(t))
		w.Line(output.StdOut, tentacle.StdoutDefault)
	}
	w.Close()
	t.change(func() {})
}

// decide ends a ticket that nobody has begun, and says whether somebody has after all. Nothing is told before
// it is on the disk, as the next daemon would start the script; so it is tried until the disk takes it.
func (s *Store) decide(t *ticket, result process.Result) (begun bool) {
	for tries := 0; ; tries++ {
		decided, ok, err := process.Decide(t.dir, result)
		if err != nil && tries == 0 {
			s.cfg.Logger.Error("Ending a script that has not begun; it is tried again and again", "ticket", t.record.Ticket, "error", err)
		}
		switch {
		case ok:
			s.finish(t, decided)
			return false
		case err == nil:
			return true
		}
		if !s.pause(decidePause) {
			return false
		}
	}
}

// pause waits, and says whether the Store is open still.
func (s *Store) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.life.Done():
		return false
	}
}

// launch brings a ticket from recorded to claimed, and follows it as long as its supervisor can tell
// something. It says whether there is more to watch.
func (s *Store) launch(t *ticket) bool {
	reason := "its supervisor ended before it began"
	for try := range launches {
		if !s.pause(time.Duration(try) * breather) {
			return false
		}
		sight, err := process.Look(t.dir)
		if err != nil {
			reason = err.Error()
			break
		}
		if sight.State != process.Unclaimed {
			return true
		}
		supervisor, err := s.supervisor(t)
		if err != nil {
			reason = err.Error()
			continue
		}
		if s.listen(t, supervisor) {
			return s.life.Err() == nil
		}
		if told := supervisor.Reason(); told != "" {
			reason = told
		}
	}
	return s.decide(t, process.Result{ExitCode: tentacle.ExitLaunchFailed, Line: fmt.Sprintf("The script could not be started: %s", reason), Source: output.StdErr})
}

// launchHeld launches the supervisor of a step whose turn has come with its start, while the disk still works. It does nothing
// before launch lets it go.
func (s *Store) launchHeld(t *ticket) {
	if !process.CanHold || t.record.Process.Boot == "" {
		return
	}
	if supervisor, err := process.LaunchHeld(s.cfg.Supervisor, t.dir, s.cfg.Env); err == nil {
		t.held = supervisor
	} // else launch tries it again
}

// supervisor launches a supervisor, or lets the one go that is held.
func (s *Store) supervisor(t *ticket) (*process.Supervisor, error) {
	held := t.held
	if held == nil {
		return process.Launch(s.cfg.Supervisor, t.dir, s.cfg.Env)
	}
	t.held = nil
	held.Go()
	return held, nil
}

// drop ends a supervisor that is held still.
func (t *ticket) drop() {
	if t.held != nil {
		t.held.Drop()
		t.held.Release()
		t.held = nil
	}
}

// listen follows a supervisor until the ticket's fate is told by its folder: the result is there, or the
// supervisor ended. It says false where the supervisor ended without beginning.
func (s *Store) listen(t *ticket, supervisor *process.Supervisor) (begun bool) {
	defer supervisor.Release()
	var poll <-chan time.Time
	if supervisor.Polled() {
		ticker := time.NewTicker(s.cfg.Poll)
		defer ticker.Stop()
		poll = ticker.C
	}
	for {
		select {
		case _, open := <-supervisor.Notes():
			if hasResult(t, supervisor) {
				return true
			}
			if !open {
				return s.begun(t)
			}
			s.news(t, supervisor.Claimed())
		case <-poll:
			if s.begun(t) {
				return true // watch goes on
			}
		case <-t.poke:
			if !s.cancelLaunched(t) {
				return true
			}
		case <-s.life.Done():
			return true
		}
	}
}

func (s *Store) begun(t *ticket) bool {
	sight, err := process.Look(t.dir)
	return err != nil || sight.State != process.Unclaimed
}

// hasResult says whether the supervisor has told that there is a result. One that tells nothing any more may have ended
// without.
func hasResult(t *ticket, supervisor *process.Supervisor) bool {
	if supervisor.Finished() || !supervisor.Silent() {
		return supervisor.Finished()
	}
	sight, err := process.Look(t.dir)
	return err == nil && sight.State == process.Finished
}

func (s *Store) news(t *ticket, claimed bool) {
	t.change(func() {
		if claimed && t.phase == recorded {
			t.phase = running
		}
	})
}

// cancelLaunched carries a cancel to a supervisor, or ends the ticket before the supervisor can begin. It
// says whether the supervisor has begun.
func (s *Store) cancelLaunched(t *ticket) bool {
	if phase, _, _ := t.snapshot(); phase == recorded {
		if !s.decide(t, process.Result{ExitCode: tentacle.ExitCanceled, Line: "The script was cancelled before it began.", Source: output.StdErr}) {
			return false
		}
	}
	if err := process.Wake(t.dir); err != nil {
		s.cfg.Logger.Warn("Waking a supervisor", "ticket", t.record.Ticket, "error", err)
	}
	return true
}
