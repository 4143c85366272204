package logs

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	// pruneAfter is how much is written, in bytes, before the size of all logs is looked at again.
	pruneAfter = 256 << 20
	// pruneEvery is the least time between two looks at it.
	pruneEvery = time.Minute
)

// wrote counts what is written, and looks at the size of all logs now and then also while no action begins.
func (s *Store) wrote(n int64) {
	s.mu.Lock()
	s.written += n
	due := s.written > pruneAfter
	s.mu.Unlock()
	if due {
		s.prune()
	}
}

// prune drops the oldest runs while all logs together are too large. It looks at most once a minute.
func (s *Store) prune() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.pruned) < pruneEvery {
		return
	}
	s.pruned, s.written = time.Now(), 0
	type runLogs struct {
		path string
		size int64
		time time.Time
	}
	runs, total := map[string]*runLogs{}, int64(0)
	_ = filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // what vanished meanwhile does not count
		}
		info, err := entry.Info()
		if err != nil {
			return nil //nolint:nilerr // what vanished meanwhile does not count
		}
		dir := filepath.Dir(filepath.Dir(path))
		if runs[dir] == nil {
			runs[dir] = &runLogs{path: dir}
		}
		runs[dir].size += info.Size()
		total += info.Size()
		if info.ModTime().After(runs[dir].time) {
			runs[dir].time = info.ModTime()
		}
		return nil
	})
	oldest := make([]*runLogs, 0, len(runs))
	for _, r := range runs {
		oldest = append(oldest, r)
	}
	slices.SortFunc(oldest, func(a, b *runLogs) int { return a.time.Compare(b.time) })
	for _, r := range oldest {
		if total <= s.maxBytes {
			return
		}
		if os.RemoveAll(r.path) == nil {
			total -= r.size
		}
	}
}
