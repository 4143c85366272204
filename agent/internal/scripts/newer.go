package scripts

import (
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process"
)

// leave makes a ticket one that a newer version of the program has in hand, as it wrote a file of it: this
// version would misread it. Nothing of it is touched, and whoever asks for it is told to ask again later.
func (s *Store) leave(t *ticket) *ticket {
	s.cfg.Logger.Error("A script was taken up by a newer version of this program; it is left alone until that is back", "ticket", t.key)
	t.newer, t.phase, t.result = true, recorded, nil
	if t.record.Mutex == "" {
		t.record.Mutex, t.record.Exclusive = defaultMutex, true
	}
	return t
}

// untouched says to an operator what leave has found. It may pass.
func (t *ticket) untouched() error {
	return fmt.Errorf("script %s was taken up by a newer version of tentacle than the one that runs now; start that version again", t.key)
}

// guard keeps the mutex of a ticket that cannot be read, or is of a newer version, as long as its supervisor lives.
func (s *Store) guard(t *ticket) {
	turn := s.mutexes.hold(t.record)
	s.alive.Go(func() {
		defer s.mutexes.leave(turn)
		ticker := time.NewTicker(s.cfg.Poll)
		defer ticker.Stop()
		for {
			if held, err := process.Held(t.dir); err == nil && !held {
				return
			}
			select {
			case <-ticker.C:
			case <-s.life.Done():
				return
			}
		}
	})
}
