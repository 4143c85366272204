package logs

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
)

// folder has the logs of one run.
type folder struct {
	namespace string
	run       types.UID
}

// usage is how much a folder holds, and when it was last written to.
type usage struct {
	size int64
	last time.Time
}

func (s *Store) pathOf(f folder) string { return filepath.Join(s.dir, f.namespace, string(f.run)) }

// measure reads once what lies on the disk. After that, what is written is counted.
func (s *Store) measure() error {
	err := filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(s.dir, path)
		if err != nil {
			return err
		}
		if parts := strings.Split(filepath.ToSlash(name), "/"); len(parts) > 2 {
			s.count(folder{parts[0], types.UID(parts[1])}, info.Size(), info.ModTime())
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("measuring the log store: %w", err)
	}
	return nil
}

func (s *Store) count(f folder, size int64, at time.Time) {
	u := s.runs[f]
	if u == nil {
		u = &usage{}
		s.runs[f] = u
	}
	u.size += size
	s.of[f.namespace] += size
	s.total += size
	if at.After(u.last) {
		u.last = at
	}
}

// forget takes a folder out of the count.
func (s *Store) forget(f folder) {
	u := s.runs[f]
	if u == nil {
		return
	}
	delete(s.runs, f)
	s.total -= u.size
	if s.of[f.namespace] -= u.size; s.of[f.namespace] <= 0 {
		delete(s.of, f.namespace)
	}
}

// wrote counts what was written, and drops runs while all logs together are too large.
func (s *Store) wrote(f folder, n int64) error {
	s.mu.Lock()
	s.count(f, n, time.Now())
	var dropped []folder
	for s.total > s.maxBytes && len(s.runs) > 0 {
		oldest := s.oldest()
		s.forget(oldest)
		dropped = append(dropped, oldest)
	}
	s.mu.Unlock()
	for _, f := range dropped {
		if err := os.RemoveAll(s.pathOf(f)); err != nil {
			return fmt.Errorf("dropping old logs: %w", err)
		}
	}
	return nil
}

// oldest is the run that was written to least lately, of the namespace that has the most: no namespace takes another's logs
// away by much output of its own.
func (s *Store) oldest() folder {
	most := ""
	for namespace, size := range s.of {
		if most == "" || size > s.of[most] {
			most = namespace
		}
	}
	var oldest folder
	for f, u := range s.runs {
		if f.namespace == most && (oldest.run == "" || u.last.Before(s.runs[oldest].last)) {
			oldest = f
		}
	}
	return oldest
}

func (s *Store) remove(f folder) error {
	s.mu.Lock()
	s.forget(f)
	s.mu.Unlock()
	if err := os.RemoveAll(s.pathOf(f)); err != nil {
		return fmt.Errorf("deleting the logs of run %s: %w", f.run, err)
	}
	_ = os.Remove(filepath.Join(s.dir, f.namespace)) // where it is empty
	return nil
}

// Sweep drops the logs of runs that are gone, as they may have been deleted while no operator was there. It is called once,
// at the start; list gives all runs that there are.
func (s *Store) Sweep(ctx context.Context, list func(context.Context) (sets.Set[types.UID], error)) error {
	s.mu.Lock()
	held := sets.KeySet(s.runs) // before the list, so that a run that begins meanwhile is in the list
	s.mu.Unlock()
	runs, err := list(ctx)
	if err != nil {
		return fmt.Errorf("listing runs: %w", err)
	}
	for f := range held {
		if runs.Has(f.run) {
			continue
		}
		if err := s.remove(f); err != nil {
			return err
		}
	}
	return nil
}
