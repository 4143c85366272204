package process

import (
	"time"

	"github.com/mantledeploy/mantle/api/tentacle"
)

// ended waits for the rest of the output of a script that ended by itself. Others may hold it without end:
// then the ticket finishes all the same, and they are left alone.
func (s *supervision) ended() Result {
	timer := time.NewTimer(s.spec.Drain)
	defer timer.Stop()
	poll, stop := cancelPoll()
	defer stop()
	for {
		select {
		case <-s.drained:
			return Result{ExitCode: s.status}
		case <-timer.C:
			return Result{ExitCode: s.status}
		case <-s.wake:
		case <-poll:
		}
		if Marked(s.dir, CancelFile) { // too late to end it, but nobody waits for its output any more
			return Result{ExitCode: s.status}
		}
	}
}

// cancel ends the script and all that it started in its session.
func (s *supervision) cancel() Result {
	s.group.terminate()
	if !s.gone(s.spec.Grace, func() {}) && !s.gone(s.spec.Abandon, s.group.kill) {
		return s.abandoned(s.group.survivors())
	}
	select {
	case <-s.drained:
	case <-time.After(s.spec.Drain):
	}
	return Result{ExitCode: tentacle.ExitCanceled}
}

// gone waits until no process is left, at most for patience, and calls push again and again. It looks twice:
// what moves from one parent to another while it looks may be missed once.
func (s *supervision) gone(patience time.Duration, push func()) bool {
	deadline := time.Now().Add(patience)
	pause := 2 * time.Millisecond
	for empty := 0; ; {
		push()
		select {
		case <-s.exited:
			if empty++; len(s.group.survivors()) > 0 {
				empty = 0
			} else if empty > 1 {
				return true
			}
			time.Sleep(pause) //nolint:forbidigo // a group tells nobody of its end
		case <-time.After(pause):
		}
		if time.Now().After(deadline) {
			return false
		}
		pause = min(2*pause, 50*time.Millisecond)
	}
}

// drain stays as long as somebody holds the output, so that writing does not break what the script left
// running.
func (s *supervision) drain() {
	select {
	case <-s.exited:
		<-s.drained
	default: // abandoned, or never begun
	}
}

// bounded cuts a list of process ids to what fits into a result.
func bounded(ids []int) []int { return ids[:min(len(ids), 100)] }
