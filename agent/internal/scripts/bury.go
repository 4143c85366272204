package scripts

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/agent/internal/process/output"
)

// bury has a finished ticket replaced by its tombstone. The tombstone is written here, and the script's folder goes; a little
// later it is synced, together with those of all tickets that were completed meanwhile, and only then does the ticket
// itself go. Until then a start that comes late finds the one or the other. The ticket is occupied.
func (s *Store) bury(t *ticket) error {
	if t.buried {
		return nil
	}
	_, result, _ := t.snapshot()
	stone := tombstone{Ticket: t.record.Ticket, Operator: t.record.Operator, ExitCode: &result.ExitCode}
	err := s.setTombstone(t.key, stone, false)
	if isFull(err) { // what nobody needs any more makes room
		output.Remove(t.dir)
		err = errors.Join(s.removeWork(t.folder()), s.setTombstone(t.key, stone, false))
	}
	if err != nil {
		return err
	}
	_ = s.removeWork(t.folder()) // discard tries it again
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		return nil // the next start goes on
	}
	t.buried = true
	if s.graves = append(s.graves, t); len(s.graves) == 1 {
		s.alive.Go(s.burial)
	}
	return nil
}

// burial waits for further tickets to be completed, and ends them together.
func (s *Store) burial() {
	s.pause(s.cfg.Gather)
	s.mu.Lock()
	all := s.graves
	s.graves = nil
	s.mu.Unlock()
	errs := make([]error, len(all))
	tasks := make([]func() error, len(all))
	for i, t := range all {
		tasks[i] = func() error {
			errs[i] = s.syncTombstone(t.key)
			return nil
		}
	}
	err := errors.Join(atOnce(tasks), process.SyncDir(s.tombstones))
	for i, t := range all {
		s.buried(t, errors.Join(err, errs[i]))
	}
}

// buried removes what there is of a ticket whose tombstone is on the disk, or leaves that to the next sweep.
func (s *Store) buried(t *ticket, err error) {
	t.occupied.Lock()
	defer t.occupied.Unlock()
	if err != nil {
		t.buried = false
		s.cfg.Logger.Error("Forgetting a completed script; it is tried again later", "ticket", t.record.Ticket, "error", err)
		return
	}
	s.discard(t)
	s.mu.Lock()
	delete(s.known, t.key)
	s.mu.Unlock()
}

// syncTombstone makes what a tombstone says durable. Its name is so when its folder is.
func (s *Store) syncTombstone(key string) error {
	for _, dir := range []string{s.tombstones, s.cancelled} {
		file, err := os.OpenFile(filepath.Join(dir, stoneName(key)), os.O_RDWR, 0) // #nosec G304 -- a file of the home
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		return errors.Join(file.Sync(), file.Close())
	}
	return nil
}
