package scripts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// What one start may ask for. All but the files is kept in the ticket's journal and in memory, and read at every
// start of the daemon, so it is bounded far below what a request can carry.
const (
	maxName      = 200       // bytes of a TaskId or of a mutex' name
	maxArguments = 128 << 10 // bytes of all arguments, with a space between them
	maxFiles     = 1000      // files, and as many folders for them
	maxPath      = 1 << 10   // bytes of a file's name
	maxProblem   = 1 << 10   // bytes of what is wrong with a plan, which may quote all of it
)

// maxTickets is how many scripts an operator has on a machine where Config says nothing else.
const maxTickets = 1000

// errTooMany says that an operator has as many scripts on this machine as it may. It may pass.
var errTooMany = errors.New("too many scripts of this operator are on this machine")

// checkSize refuses a start that asks for too much.
func checkSize(cmd tentacle.StartScriptCommandV2) error {
	if len(cmd.TaskID) > maxName {
		return tooLarge("TaskId", len(cmd.TaskID), maxName)
	}
	if name := cmd.IsolationMutexName; name != nil && len(*name) > maxName {
		return tooLarge("IsolationMutexName", len(*name), maxName)
	}
	size := len(cmd.Arguments)
	for _, a := range cmd.Arguments {
		size += len(a)
	}
	if size > maxArguments {
		return tooLarge("Arguments", size, maxArguments)
	}
	return nil
}

func tooMany(field, what string, n int) error {
	return badStartError{tentacle.ExitBadTicket, fmt.Sprintf("The script is refused: %s has %d %s; at most %d are allowed", field, n, what, maxFiles)}
}

func tooLarge(field string, size, most int) error {
	return badStartError{tentacle.ExitBadTicket, fmt.Sprintf("The script is refused: %s has %d bytes; at most %d are allowed", field, size, most)}
}

// checkCount refuses a new ticket of an operator that has as many as it may have; s.mu is held.
func (s *Store) checkCount(operator string) error {
	n := 0
	for _, t := range s.known {
		if t.record.Operator == operator && !t.isOver() {
			n++
		}
	}
	if n < s.cfg.MaxTickets {
		return nil
	}
	return fmt.Errorf("%w (%d, which is the most), and none of them has ended: cancel some, or try again later", errTooMany, n)
}

// retire completes the script of an operator that ended first, of which nobody has fetched the result, to make room for another.
// It says false if there is none, or if it cannot be forgotten.
func (s *Store) retire(ctx context.Context, operator string) bool {
	var oldest *ticket
	var ended time.Time
	s.mu.Lock()
	for _, t := range s.known {
		if phase, result, _ := t.snapshot(); t.record.Operator == operator && phase == finished && !t.newer && !t.isCompleted() && (oldest == nil || result.Ended.Before(ended)) {
			oldest, ended = t, result.Ended
		}
	}
	s.mu.Unlock()
	if oldest == nil {
		return false
	}
	if err := s.sweepTicket(oldest); err != nil {
		s.cfg.Logger.Error("Forgetting a script to make room for another", "ticket", oldest.record.Ticket, "error", err)
		return false
	}
	e := oldest.entry(audit.Complete, audit.Allowed)
	e.Reason = "nobody fetched its result, and it made room for another script of its operator"
	s.note(ctx, e)
	return true
}
