package scripts

import (
	"fmt"
	"io/fs"

	"github.com/mantledeploy/mantle/agent/internal/process"
)

// maxCancels is how many tickets that never arrived an operator may cancel within Config.CancelledAge, where Config says
// nothing else.
const maxCancels = 10_000

// countCancels counts the tombstones that each operator left for tickets that never arrived.
func (s *Store) countCancels() error {
	s.cancels = map[string]int{}
	return eachFile(s.cancelled, func(f fs.DirEntry) { s.cancels[s.cancelledBy(f.Name())]++ })
}

// cancelledBy is the operator of a tombstone, by its file; empty where that cannot be read.
func (s *Store) cancelledBy(file string) string {
	var t tombstone
	_, _ = process.ReadState(s.cancelled, file, &t) // of what nobody can read nothing is known
	return t.Operator
}

// admitCancel counts one more tombstone of an operator, or refuses it. It may be tried again. s.mu is held.
func (s *Store) admitCancel(operator string) error {
	if n := s.cancels[operator]; n >= s.cfg.MaxCancels {
		return fmt.Errorf("too many scripts of this operator that never arrived on this machine were cancelled lately (%d, which is the most): try again later", n)
	}
	s.cancels[operator]++
	return nil
}

// dropCancel counts one less.
func (s *Store) dropCancel(operator string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancels[operator]--; s.cancels[operator] <= 0 {
		delete(s.cancels, operator)
	}
}
