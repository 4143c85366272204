package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
)

// The limits of a Store, in bytes.
const (
	DefaultMaxBytes = 5 << 30
	maxAction       = 64 << 20
	maxTail         = 128 << 10
	// maxText bounds the text of one line of a file, so that maxTail bytes always contain a whole one. A longer line of
	// output is stored in several.
	maxText = tentacle.MaxEntry
	// fileCost is added to the size of each file: the least space that a file and its folder need on disk.
	fileCost = 8 << 10
	// maxFile bounds what is read of any file.
	maxFile = maxAction + maxTail
	// maxNumber bounds the number of an entry, which comes from the machine or from a file.
	maxNumber = 1 << 53
	// maxAttempts bounds the attempts of an action that are looked up.
	maxAttempts = 100
)

// notice is the last line of a truncated log.
const notice = "the log was truncated here: it is larger than 64 MiB"

// ErrNotKept is returned for output that this operator does not have.
var ErrNotKept = errors.New("this operator does not have that output")

// Store stores logs in a folder: <namespace>/<UID of the run>/<target>/<step>.<attempt>.log.
type Store struct {
	dir      string
	maxBytes int64
	// ctx ends with Close, which ends the followers.
	ctx  context.Context
	stop context.CancelFunc

	mu    sync.Mutex
	runs  map[folder]*usage
	of    map[string]int64 // bytes, by namespace
	total int64
}

// Open returns a Store in a folder, which it creates. maxBytes bounds all logs; 0 means DefaultMaxBytes.
func Open(dir string, maxBytes int64) (*Store, error) {
	if maxBytes == 0 {
		maxBytes = DefaultMaxBytes
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating the log store: %w", err)
	}
	s := &Store{dir: dir, maxBytes: maxBytes, runs: map[folder]*usage{}, of: map[string]int64{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if err := s.measure(); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends the requests that follow an output. Sinks can still write.
func (s *Store) Close() { s.stop() }

var segment = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$`)

// path returns the file of an action. A step's path may contain one slash.
func (s *Store) path(namespace string, run types.UID, target, step string, attempt int32) (string, error) {
	step = strings.ReplaceAll(step, "/", ".")
	for _, part := range []string{namespace, string(run), target, step} {
		if !segment.MatchString(part) {
			return "", fmt.Errorf("%q is not a valid name: %w", part, ErrNotKept)
		}
	}
	return filepath.Join(s.dir, namespace, string(run), target, fmt.Sprintf("%s.%d.log", step, attempt)), nil
}

// Sink returns a LogSink for the output of one attempt of an action.
func (s *Store) Sink(namespace string, run types.UID, target, step string, attempt int32) dispatch.LogSink {
	path, err := s.path(namespace, run, target, step, attempt)
	return &sink{store: s, folder: folder{namespace, run}, path: path, err: err, last: -1}
}

// Kept reports whether this Store has the output.
func (s *Store) Kept(namespace string, run types.UID, target, step string, attempt int32) bool {
	path, err := s.path(namespace, run, target, step, attempt)
	if err != nil {
		return false
	}
	_, err = os.Stat(path)
	return err == nil
}

// Delete deletes the output of a run.
func (s *Store) Delete(namespace string, run types.UID) error {
	if !segment.MatchString(namespace) || !segment.MatchString(string(run)) {
		return nil
	}
	return s.remove(folder{namespace, run})
}

// sink is a LogSink that writes to a file. Each line has sequence, stream, time and text, separated by tabs. The letter of the
// stream is small if the text goes on in the next line.
type sink struct {
	store  *Store
	folder folder
	path   string
	err    error

	mu   sync.Mutex
	last int64 // -1 before the file was opened
	size int64
	text int64 // the part of size that is the action's text
	// cut says that the log ends with the notice.
	cut bool
}

// Append writes the entries that the file does not have yet.
func (k *sink) Append(seq int64, out []tentacle.ProcessOutput) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return k.err
	}
	if k.last < 0 {
		if err := k.open(); err != nil {
			return err
		}
	}
	lines, text := k.news(seq, out)
	if lines.Len() == 0 {
		return nil
	}
	cost := int64(lines.Len())
	if k.size == 0 {
		cost += fileCost
	}
	k.size += int64(lines.Len())
	if k.size > maxAction {
		lines.Reset()
		fmt.Fprintf(lines, "%d\tE\t%s\t%s\n", k.last, time.Now().UTC().Format(time.RFC3339Nano), notice)
		text = int64(len(notice) + 1)
	}
	if err := k.write(lines.Bytes()); err != nil {
		return err
	}
	k.text += text
	return k.store.addUsage(k.folder, cost)
}

// Last returns the number of the last entry that the file has.
func (k *sink) Last() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil || k.last < 0 && k.open() != nil {
		return 0
	}
	return k.last
}

// news returns the lines of the entries that the file does not have yet, and the size of their text; none if it is full.
func (k *sink) news(seq int64, out []tentacle.ProcessOutput) (*bytes.Buffer, int64) {
	lines, text := &bytes.Buffer{}, int64(0)
	for _, entry := range out {
		n := seq
		if !entry.Continues {
			seq++
		}
		if n <= k.last || n > maxNumber {
			continue
		}
		if k.size <= maxAction {
			text += writeEntry(lines, n, entry)
		}
		if !entry.Continues {
			k.last = n
		}
	}
	return lines, text
}

// Size returns the size of the text in bytes. It is counted as it is written; the file is read only if an earlier process
// wrote it.
func (k *sink) Size() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return 0
	}
	if _, err := os.Stat(k.path); err != nil {
		return 0
	}
	if k.last < 0 && k.open() != nil {
		return 0
	}
	return k.text
}

func (k *sink) write(lines []byte) error {
	file, err := k.create()
	if err != nil {
		return fmt.Errorf("opening a log: %w", err)
	}
	if _, err := file.Write(lines); err != nil {
		_ = file.Close()
		return fmt.Errorf("writing a log: %w", err)
	}
	return file.Close()
}

// create opens the file for appending. Its folder may have been deleted to make room.
func (k *sink) create() (*os.File, error) {
	const flags = os.O_CREATE | os.O_WRONLY | os.O_APPEND
	file, err := os.OpenFile(k.path, flags, 0o600)
	if !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	if err := os.MkdirAll(filepath.Dir(k.path), 0o700); err != nil {
		return nil, err
	}
	k.text = 0
	return os.OpenFile(k.path, flags, 0o600)
}
