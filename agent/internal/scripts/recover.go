package scripts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/agent/internal/process/output"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// takers is how many tickets are taken up at once: what a dead supervisor left may take seconds to end.
const takers = 16

// recover takes up every ticket of an earlier daemon. Those that run get their mutexes back before those
// that wait stand in line, in the order in which they arrived.
func (s *Store) recover() error {
	folders, err := os.ReadDir(s.tickets)
	if err != nil {
		return err
	}
	keys := make([]string, 0, len(folders))
	for _, f := range folders { // of a ticket its folder, its ticket file, or both
		keys = append(keys, process.TicketOf(f.Name()))
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	taken := make([]*ticket, len(keys))
	slots := make(chan struct{}, takers)
	var all sync.WaitGroup
	for i, key := range keys {
		slots <- struct{}{}
		all.Go(func() {
			taken[i] = s.take(key)
			<-slots
		})
	}
	all.Wait()
	live := slices.DeleteFunc(taken, func(t *ticket) bool { return t == nil })
	for _, t := range live {
		s.known[t.key] = t
	}
	slices.SortFunc(live, func(a, b *ticket) int { return a.record.Arrived.Compare(b.record.Arrived) })
	var waiting []*ticket
	for _, t := range live {
		switch {
		case t.newer, t.orphan:
			s.guard(t)
		case t.phase == running:
			s.follow(t, s.mutexes.hold(t.record))
		case t.phase == recorded:
			waiting = append(waiting, t)
		}
	}
	for _, t := range waiting {
		s.follow(t, s.mutexes.join(t.record))
	}
	return nil
}

// take returns the ticket of a folder in the phase that its files tell, or nil where it is over.
func (s *Store) take(key string) *ticket {
	log := s.cfg.Logger.With("ticket", key)
	stone, err := s.tombstone(key)
	if err != nil {
		log.Error("Reading a tombstone", "error", err)
		return nil
	}
	received, err := process.Received(s.journal(key))
	if stone != nil { // which the earlier daemon may not have synced
		if err := s.syncTombstone(key); err != nil {
			log.Error("Making a tombstone durable; what there is of the script stays until the next start", "error", err)
			return nil
		}
	}
	if stone != nil || err == nil && !received {
		s.sweepFolders(key)
		return nil
	}
	if err := os.Mkdir(s.journal(key), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		log.Error("Making the folder of a script", "error", err)
	}
	r, err := s.readRecord(key)
	boot := r.Process.Boot
	r.Process = process.Spec{} // for the supervisor, who reads it in the journal
	t := s.newTicket(key, r)
	t.boot = boot
	close(t.ready)
	if errors.Is(err, process.ErrNewer) {
		return s.leave(t)
	}
	if err != nil {
		log.Error("Reading what an earlier start knew of a script; it is reported as lost", "error", err)
		t.record, t.orphan = record{Ticket: strings.TrimSuffix(key, nameMark(key)), Mutex: defaultMutex, Exclusive: true}, true
		t.phase, t.result = finished, &process.Result{ExitCode: tentacle.ExitLost, Line: lostLine, Source: output.StdErr, Ended: time.Now().UTC()}
		return t
	}
	return s.settle(t)
}

// readRecord reads what the start of a ticket asked for. With process.ErrNewer there is as much as is understood of it.
func (s *Store) readRecord(key string) (r record, err error) {
	found, err := process.ReadCommand(s.journal(key), &r)
	switch {
	case err != nil:
		return r, err
	case !found:
		return r, errors.New("it is no command")
	case r.Version > process.Version:
		return r, process.ErrNewer
	case strings.ToLower(r.Ticket) != key && markedName(strings.ToLower(r.Ticket), r.Operator) != key:
		return r, fmt.Errorf("it is of the ticket %.100q", r.Ticket)
	}
	return r, nil
}

// settle gives a ticket its phase, and buries it where it was completed and has ended since.
func (s *Store) settle(t *ticket) *ticket {
	t.completed = process.Marked(t.dir, process.CompletedFile)
	t.cancelled = process.Marked(t.dir, process.CancelFile)
	sight, err := process.Look(t.dir)
	switch {
	case errors.Is(err, process.ErrNewer):
		return s.leave(t)
	case err != nil: // watch goes on looking, and logs it
		t.phase = running
	default:
		s.settleAs(t, sight)
	}
	if t.phase == running && t.cancelled {
		t.poke <- struct{}{}
	}
	if t.phase != finished {
		return t
	}
	if !t.completed {
		s.clear(t, t.result)
		return t
	}
	if err := s.setTombstone(t.key, tombstone{Ticket: t.record.Ticket, Operator: t.record.Operator, ExitCode: &t.result.ExitCode}, true); err != nil {
		s.cfg.Logger.Error("Forgetting a completed script; the next start tries again", "ticket", t.record.Ticket, "error", err)
		return t
	}
	s.sweepFolders(t.key)
	return nil
}

// settleAs gives a ticket the phase that was seen.
func (s *Store) settleAs(t *ticket, sight process.Sight) {
	switch sight.State {
	case process.Finished:
		t.phase, t.result = finished, sight.Result
	case process.Vanished:
		t.phase, t.result = finished, s.lose(t, *sight.Started)
	case process.Running:
		t.phase = running
	case process.Unclaimed:
		t.phase = recorded
		if withTurn := (process.Started{Boot: t.boot}); withTurn.Rebooted() { // it may have been claimed
			t.phase, t.result = finished, s.lose(t, withTurn)
		}
	}
}

// sweepFolders removes the folders of a ticket whose spelling is not known for sure.
func (s *Store) sweepFolders(key string) {
	var errs []error
	names, err := os.ReadDir(s.work)
	errs = append(errs, err)
	for _, f := range names {
		if strings.ToLower(f.Name()) == key {
			errs = append(errs, s.removeWork(f.Name()))
		}
	}
	if err := errors.Join(append(errs, process.RemoveTicket(s.journal(key)))...); err != nil {
		s.cfg.Logger.Warn("Removing a script's folders; they stay until the next start", "ticket", key, "error", err)
	}
}
