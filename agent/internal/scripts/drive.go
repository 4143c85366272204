package scripts

import (
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/agent/internal/process/output"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// launches is how often a supervisor is started for a ticket that none of them claims.
const launches = 3

// follow starts the goroutine of a ticket, which ends when the ticket is finished or the Store is closed.
// turn is its place at the mutex.
func (s *Store) follow(t *ticket, turn *turn) {
	s.alive.Go(func() {
		defer s.mutexes.leave(turn)
		if phase, _, _ := t.snapshot(); phase == recorded {
			if !s.awaitTurn(t, turn) || !s.launch(t) {
				return
			}
		}
		s.watch(t)
	})
}

// awaitTurn waits for the mutex, and says whether the ticket is to be launched, or has been by somebody.
func (s *Store) awaitTurn(t *ticket, turn *turn) bool {
	notice := time.NewTimer(s.cfg.Notice)
	defer notice.Stop()
	var timeout <-chan time.Time
	if t.record.Timeout > 0 {
		timer := time.NewTimer(time.Until(t.record.Arrived.Add(t.record.Timeout)))
		defer timer.Stop()
		timeout = timer.C
	}
	for {
		if t.isCancelled() {
			return s.decide(t, process.Result{ExitCode: tentacle.ExitCanceled, Line: "The script was cancelled before it began.", Source: output.StdErr})
		}
		select {
		case <-turn.granted:
			if err := s.cfg.Allowed(t.record.Operator); err != nil {
				return s.decide(t, process.Result{ExitCode: tentacle.ExitRefused, Line: fmt.Sprintf("The script is refused: %s", err), Source: output.StdErr})
			}
			return s.life.Err() == nil
		case <-t.poke:
		case <-notice.C:
			s.tellOfWait(t)
		case <-timeout:
			return s.decide(t, process.Result{ExitCode: tentacle.ExitTimeout, Line: "Script execution timed out.", Source: output.StdOut})
		case <-s.life.Done():
			return false
		}
	}
}

// tellOfWait writes the lines that say what a script waits for, once.
func (s *Store) tellOfWait(t *ticket) {
	w, err := output.OpenWriter(t.dir, s.cfg.Output)
	if err != nil {
		s.cfg.Logger.Warn("Writing that a script waits", "ticket", t.record.Ticket, "error", err)
		return
	}
	if w.Last() == 0 {
		w.Line(output.StdOut, "##octopus[stdout-wait]")
		w.Line(output.StdOut, fmt.Sprintf("Waiting for other scripts on this machine: the mutex %q is in use.", t.record.Mutex))
		w.Line(output.StdOut, "##octopus[stdout-default]")
	}
	w.Close()
	t.change(func() {})
}

// decide ends a ticket that nobody has begun, and says whether somebody has after all.
func (s *Store) decide(t *ticket, result process.Result) (begun bool) {
	decided, ok, err := process.Decide(t.dir, result)
	if err != nil { // whoever looks next may find it begun by nobody: it will never run
		s.cfg.Logger.Error("Ending a script that has not begun", "ticket", t.record.Ticket, "error", err)
		decided, ok = &result, true
	}
	if !ok {
		return true
	}
	s.finish(t, decided)
	return false
}

// launch brings a ticket from recorded to claimed, and follows it as long as its supervisor can tell
// something. It says whether there is more to watch.
func (s *Store) launch(t *ticket) bool {
	reason := "its supervisor ended before it began"
	for range launches {
		sight, err := process.Look(t.dir)
		if err != nil {
			reason = err.Error()
			break
		}
		if sight.State != process.Unclaimed {
			return true
		}
		supervisor, err := process.Launch(s.cfg.Supervisor, t.dir, s.cfg.Env)
		if err != nil {
			reason = err.Error()
			continue
		}
		if s.listen(t, supervisor) {
			return s.life.Err() == nil
		}
	}
	return s.decide(t, process.Result{ExitCode: tentacle.ExitLaunchFailed, Line: fmt.Sprintf("The script could not be started: %s", reason), Source: output.StdErr})
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
			if supervisor.Finished() {
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

// watch looks at a ticket's folder until it is finished. It is how a supervisor is followed that cannot tell
// anything: one of an earlier daemon. Where the fate is known already it only takes note.
func (s *Store) watch(t *ticket) {
	ticker := time.NewTicker(s.cfg.Poll)
	defer ticker.Stop()
	logged := false
	for {
		if phase, _, _ := t.snapshot(); phase == finished {
			return
		}
		sight, err := process.Look(t.dir)
		switch {
		case err != nil && logged:
		case err != nil:
			logged = true
			s.cfg.Logger.Error("Looking at a script; it is looked at again and again", "ticket", t.record.Ticket, "error", err)
		case sight.State == process.Finished:
			s.finish(t, sight.Result)
			return
		case sight.State == process.Vanished:
			s.finish(t, s.lose(t, *sight.Started))
			return
		default:
			s.news(t, true)
		}
		select {
		case <-ticker.C:
		case <-t.poke:
			s.cancelLaunched(t)
		case <-s.life.Done():
			return
		}
	}
}

// lose ends a ticket whose supervisor died: what it left running is killed, as nobody could end it later.
func (s *Store) lose(t *ticket, started process.Started) *process.Result {
	why := "Lost: the script's supervisor ended without a result, so how far the script came is not known."
	found, left := process.EndSession(started, s.cfg.Abandon)
	switch {
	case started.Rebooted():
		why = "Lost: the machine was started anew (reboot) while the script ran, so how far it came is not known."
	case len(left) > 0:
		why += fmt.Sprintf(" These of its processes could not be ended: %v", left[:min(len(left), 100)])
	case len(found) > 0:
		why += fmt.Sprintf(" %d of its processes were ended.", len(found))
	}
	result := process.Result{ExitCode: tentacle.ExitLost, Line: why, Source: output.StdErr}
	written, err := process.Finish(t.dir, result)
	if err != nil {
		s.cfg.Logger.Error("Writing that a script is lost", "ticket", t.record.Ticket, "error", err)
	}
	if written == nil {
		written = &result
	}
	return written
}

// finish takes note of the end of a ticket.
func (s *Store) finish(t *ticket, result *process.Result) {
	t.change(func() { t.phase, t.result = finished, result })
	if !t.isCompleted() {
		return
	}
	t.occupied.Lock()
	defer t.occupied.Unlock()
	if err := s.bury(t); err != nil {
		s.cfg.Logger.Error("Forgetting a completed script; the next start tries again", "ticket", t.record.Ticket, "error", err)
	}
}
