package scripts

import (
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/agent/internal/process/output"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// watch looks at a ticket's folder until it is finished. It is how a supervisor is followed that cannot tell
// anything: one of an earlier daemon. Where the fate is known already it only takes note. It says false where
// a supervisor that was about to claim the ticket ended without doing so, and nobody has begun.
func (s *Store) watch(t *ticket) (over bool) {
	ticker := time.NewTicker(s.cfg.Poll)
	defer ticker.Stop()
	logged, look := false, lookAt // a whole look first: a supervisor tells of its result before it lets go
	for {
		if phase, _, _ := t.snapshot(); phase == finished {
			return true
		}
		sight, err := look(t)
		if err != nil {
			if !logged {
				s.cfg.Logger.Error("Looking at a script; it is looked at again and again", "ticket", t.record.Ticket, "error", err)
			}
			logged = true
		} else if ended, over := s.see(t, sight); ended {
			return over
		}
		select {
		case <-ticker.C:
			look = glance
		case <-t.poke:
			s.cancelLaunched(t)
		case <-s.life.Done():
			return true
		}
	}
}

// see takes note of what a look saw. It says whether that ends the watch, and whether there is no more to do.
func (s *Store) see(t *ticket, sight process.Sight) (ended, over bool) {
	switch sight.State {
	case process.Finished:
		s.finish(t, sight.Result)
	case process.Vanished:
		s.finish(t, s.lose(t, *sight.Started))
	case process.Unclaimed:
		return true, false
	case process.Running:
		s.news(t, true)
		return false, false
	}
	return true, true
}

func lookAt(t *ticket) (process.Sight, error) { return process.Look(t.dir) }

// glance is lookAt, but asks of what is known to run only whether its supervisor lives: many tickets are
// looked at often.
func glance(t *ticket) (process.Sight, error) {
	if phase, _, _ := t.snapshot(); phase == running {
		if held, err := process.Held(t.dir); err == nil && held {
			return process.Sight{State: process.Running}, nil
		}
	}
	return process.Look(t.dir)
}

// lose ends a ticket whose supervisor died: what it left running is killed, as nobody could end it later.
func (s *Store) lose(t *ticket, started process.Started) *process.Result {
	why := "Lost: the script's supervisor ended without a result, so how far the script came is not known."
	found, left := process.EndSession(started, s.cfg.Abandon)
	switch {
	case started.Rebooted() && started.Process == 0:
		why = "Lost: the machine was started anew (reboot) when the script's turn had come, so whether it began is not known."
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
	completed := t.isCompleted()
	t.occupied.Lock()
	defer t.occupied.Unlock()
	if !completed {
		s.clear(t, result)
		return
	}
	if err := s.bury(t); err != nil {
		s.cfg.Logger.Error("Forgetting a completed script; the next start tries again", "ticket", t.record.Ticket, "error", err)
	}
}

// clear removes the secrets of a step that never began, and the folder of a script that never began, or whose supervisor
// died: they would lie there until somebody completes the ticket. The journal has all that is told of it.
func (s *Store) clear(t *ticket, result *process.Result) {
	if err := s.removeContent(t); err != nil {
		s.cfg.Logger.Warn("Removing what a step was to be carried out from; it stays until the step is completed", "ticket", t.record.Ticket, "error", err)
	}
	if result.Line == "" || result.ExitCode == tentacle.ExitAbandoned || t.isCompleted() {
		return
	}
	if err := s.removeWork(t.folder()); err != nil {
		s.cfg.Logger.Warn("Removing the folder of a script that did not run; it stays until the script is completed", "ticket", t.record.Ticket, "error", err)
	}
}

func (s *Store) removeContent(t *ticket) error {
	if t.record.Call == nil {
		return nil
	}
	return process.RemoveContent(t.dir)
}
