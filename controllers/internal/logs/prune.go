package logs

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
			s.count(folder{parts[0], types.UID(parts[1])}, info.Size()+fileCost, info.ModTime())
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
	dropped := s.shrink()
	s.mu.Unlock()
	for _, f := range dropped {
		if err := os.RemoveAll(s.pathOf(f)); err != nil {
			return fmt.Errorf("dropping old logs: %w", err)
		}
	}
	return nil
}

// shrink takes runs out of the count where all logs together are too large, a few more than it must, so that this is seldom.
// They are of the namespace that has the most, and the ones that were written to least lately: no namespace takes another's
// logs away by much output of its own.
func (s *Store) shrink() (dropped []folder) {
	if s.total <= s.maxBytes {
		return nil
	}
	for enough := s.maxBytes - s.maxBytes/16; s.total > enough && len(s.runs) > 0; {
		most, next := s.largest()
		for _, f := range s.oldest(most) {
			if s.total <= enough || s.of[most] < next {
				break
			}
			s.forget(f)
			dropped = append(dropped, f)
		}
	}
	return dropped
}

// largest is the namespace that has the most, and how much the next one has.
func (s *Store) largest() (most string, next int64) {
	for namespace, size := range s.of {
		switch {
		case most == "":
			most = namespace
		case size > s.of[most]:
			most, next = namespace, s.of[most]
		default:
			next = max(next, size)
		}
	}
	return most, next
}

// oldest are the runs of a namespace, the one that was written to least lately first.
func (s *Store) oldest(namespace string) (runs []folder) {
	for f := range s.runs {
		if f.namespace == namespace {
			runs = append(runs, f)
		}
	}
	slices.SortFunc(runs, func(a, b folder) int { return s.runs[a].last.Compare(s.runs[b].last) })
	return runs
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
