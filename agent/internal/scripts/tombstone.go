package scripts

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// tombstone remembers a ticket that is over, so that a start of it that comes late runs nothing. It is a
// file named after the ticket in lower case (owner.go); its age is the file's own. Those of tickets that were cancelled before
// they arrived lie in a folder of their own, as an operator makes them at no cost.
type tombstone struct {
	Version   int    `json:"version"`
	Ticket    string `json:"ticket"`
	Operator  string `json:"operator"`
	ExitCode  *int32 `json:"exitCode,omitempty"`
	Cancelled bool   `json:"cancelled,omitempty"` // before it arrived
}

// answer is what a start of the ticket is told.
func (t tombstone) answer(id tentacle.ScriptTicket) *tentacle.ScriptStatusResponseV2 {
	if t.Cancelled {
		r := refusal(id, tentacle.ExitCanceled, "The script was cancelled before it arrived.")
		return &r
	}
	return alreadyCompleted(id, t.ExitCode)
}

// tombstone reads the tombstone of a ticket; nil where there is none.
func (s *Store) tombstone(key string) (*tombstone, error) {
	for _, dir := range []string{s.tombstones, s.cancelled} {
		if stone, err := readStone(dir, key); stone != nil || err != nil {
			return stone, err
		}
	}
	return nil, nil //nolint:nilnil // none is an answer here, not an error
}

func readStone(dir, key string) (*tombstone, error) {
	var t tombstone
	found, err := process.ReadState(dir, stoneName(key), &t)
	if err != nil && !errors.Is(err, process.ErrNewer) {
		return nil, fmt.Errorf("looking for a tombstone: %w", err)
	}
	if !found && process.Marked(dir, stoneName(key)) {
		return &tombstone{Ticket: key}, nil // nobody knows what it said, but the ticket is over
	}
	if !found {
		return nil, nil //nolint:nilnil // none is an answer here, not an error
	}
	return &t, nil
}

func (s *Store) setTombstone(key string, t tombstone, durable bool) error {
	t.Version = process.Version
	dir := s.tombstones
	if t.Cancelled {
		dir = s.cancelled
	}
	return process.WriteState(dir, stoneName(key), t, durable)
}

// stoneName keeps tombstones apart from files that are being written beside them, whatever a ticket is called.
func stoneName(key string) string { return key + ".json" }

// sweep forgets what is old: tombstones, and finished tickets that nobody completed. It does so once in a
// while at most.
func (s *Store) sweep() {
	now := time.Now()
	s.mu.Lock()
	if now.Sub(s.swept) < s.cfg.SweepPause {
		s.mu.Unlock()
		return
	}
	s.swept = now
	all := make([]*ticket, 0, len(s.known))
	for _, t := range s.known {
		all = append(all, t)
	}
	s.mu.Unlock()
	s.clock.Lock()
	clock := s.readClock()
	s.clock.Unlock()
	for _, t := range all {
		phase, result, _ := t.snapshot()
		if phase != finished || !t.isCompleted() && clock.age(result.Ended) < s.cfg.FinishedAge {
			continue
		}
		if err := s.sweepTicket(t); err != nil {
			s.cfg.Logger.Error("Sweeping a script that nobody completed", "ticket", t.record.Ticket, "error", err)
		}
	}
	s.sweepTombstones(clock)
}

// sweepTicket forgets a finished ticket. One that is completed already could not be forgotten before.
func (s *Store) sweepTicket(t *ticket) error {
	if held, err := process.Held(t.dir); t.orphan && (held || err != nil) {
		return err // it runs, as far as anybody can tell
	}
	if !t.isCompleted() {
		return s.complete(t)
	}
	t.occupied.Lock()
	defer t.occupied.Unlock()
	return s.bury(t)
}

func (s *Store) sweepTombstones(clock clockState) {
	for dir, age := range map[string]time.Duration{s.tombstones: s.cfg.TombstoneAge, s.cancelled: s.cfg.CancelledAge} {
		err := eachFile(dir, func(f fs.DirEntry) {
			info, err := f.Info()
			if err != nil || clock.age(info.ModTime()) < age {
				return
			}
			operator := s.cancelledBy(f.Name())
			err = os.Remove(filepath.Join(dir, f.Name()))
			switch {
			case err != nil:
				s.cfg.Logger.Error("Sweeping a tombstone", "name", f.Name(), "error", err)
			case dir == s.cancelled:
				s.dropCancel(operator)
			}
		})
		if err != nil {
			s.cfg.Logger.Error("Sweeping tombstones", "error", err)
		}
	}
}

// atATime is how many names of a folder of tombstones are in memory at a time.
const atATime = 500

// eachFile calls f with the files of a folder, of which there may be very many.
func eachFile(dir string, f func(fs.DirEntry)) error {
	folder, err := os.Open(dir) // #nosec G304 -- a folder of the home
	if err != nil {
		return err
	}
	defer folder.Close()
	for {
		files, err := folder.ReadDir(atATime)
		for _, file := range files {
			f(file)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
