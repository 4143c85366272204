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

// folder identifies the folder with the logs of one run.
type folder struct {
	namespace string
	run       types.UID
}

// usage is the size of a folder, and when it was last written to.
type usage struct {
	size int64
	last time.Time
}

func (s *Store) pathOf(f folder) string { return filepath.Join(s.dir, f.namespace, string(f.run)) }

// measure reads the sizes on the disk, once. After that, writes are counted.
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

// forget removes a folder from the count.
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

// addUsage counts what was written, and deletes runs if all logs together are too large.
func (s *Store) addUsage(f folder, n int64) error {
	s.mu.Lock()
	s.count(f, n, time.Now())
	dropped := s.shrink()
	s.mu.Unlock()
	for _, f := range dropped {
		if err := os.RemoveAll(s.pathOf(f)); err != nil {
			return fmt.Errorf("deleting old logs: %w", err)
		}
	}
	return nil
}

// shrink removes runs from the count if all logs together are too large, and returns them. It removes a few more than
// it must, so that it rarely has to. It chooses the oldest runs, by their last write, of the largest namespace: a
// namespace with much output does not cause the deletion of another's logs.
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

// largest returns the namespace with the largest logs, and the size of the second largest.
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

// oldest returns the runs of a namespace, sorted by their last write.
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
	_ = os.Remove(filepath.Join(s.dir, f.namespace)) // if it is empty
	return nil
}

// Sweep deletes the logs of runs that no longer exist; they may have been deleted while no operator was running. Call
// it once, at the start; list returns all existing runs.
func (s *Store) Sweep(ctx context.Context, list func(context.Context) (sets.Set[types.UID], error)) error {
	s.mu.Lock()
	held := sets.KeySet(s.runs) // before the list, so that a run that begins now is in the list
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
