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

// The bounds of a Store, in bytes.
const (
	DefaultMaxBytes = 5 << 30
	maxAction       = 64 << 20
	maxTail         = 128 << 10
	// maxText bounds one entry, so that a line is always found again in the last maxTail bytes of its file.
	maxText = tentacle.MaxEntry
	// fileCost is what a file counts beside its bytes: the least that it takes of the disk, with its folder.
	fileCost = 8 << 10
	// maxFile bounds what is read of a file, whatever lies there.
	maxFile = maxAction + maxTail
	// maxNumber bounds the number of an entry: machines give it, and it is read back from the file.
	maxNumber = 1 << 53
	// maxAttempts of an action are looked for.
	maxAttempts = 100
)

// notice is the last line of a log that is not whole.
const notice = "the rest of this log was not kept: it is larger than 64 MiB"

// ErrNotKept is returned for output that this operator does not have.
var ErrNotKept = errors.New("this operator does not have that output")

// Store keeps logs below a folder: <namespace>/<UID of the run>/<target>/<step>.<attempt>.log.
type Store struct {
	dir      string
	maxBytes int64
	// ctx ends with Close, and the followers with it.
	ctx  context.Context
	stop context.CancelFunc

	mu    sync.Mutex
	runs  map[folder]*usage
	of    map[string]int64 // bytes, by namespace
	total int64
}

// Open makes the folder. maxBytes bounds all logs; 0 is DefaultMaxBytes.
func Open(dir string, maxBytes int64) (*Store, error) {
	if maxBytes == 0 {
		maxBytes = DefaultMaxBytes
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the log store: %w", err)
	}
	s := &Store{dir: dir, maxBytes: maxBytes, runs: map[folder]*usage{}, of: map[string]int64{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if err := s.measure(); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends those who follow an output. What is written is still kept.
func (s *Store) Close() { s.stop() }

var segment = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$`)

// path is the file of an action. A step's path may have one slash.
func (s *Store) path(namespace string, run types.UID, target, step string, attempt int32) (string, error) {
	step = strings.ReplaceAll(step, "/", ".")
	for _, part := range []string{namespace, string(run), target, step} {
		if !segment.MatchString(part) {
			return "", fmt.Errorf("%q is no name: %w", part, ErrNotKept)
		}
	}
	return filepath.Join(s.dir, namespace, string(run), target, fmt.Sprintf("%s.%d.log", step, attempt)), nil
}

// Sink takes the output of one attempt of an action.
func (s *Store) Sink(namespace string, run types.UID, target, step string, attempt int32) dispatch.LogSink {
	path, err := s.path(namespace, run, target, step, attempt)
	return &sink{store: s, folder: folder{namespace, run}, path: path, err: err, last: -1}
}

// Kept tells whether that output is here.
func (s *Store) Kept(namespace string, run types.UID, target, step string, attempt int32) bool {
	path, err := s.path(namespace, run, target, step, attempt)
	if err != nil {
		return false
	}
	_, err = os.Stat(path)
	return err == nil
}

// Delete drops the output of a whole run.
func (s *Store) Delete(namespace string, run types.UID) error {
	if !segment.MatchString(namespace) || !segment.MatchString(string(run)) {
		return nil
	}
	return s.remove(folder{namespace, run})
}

// sink is a LogSink on a file of lines: sequence, stream, time, text, separated by tabs.
type sink struct {
	store  *Store
	folder folder
	path   string
	err    error

	mu   sync.Mutex
	last int64 // -1 until the file was looked at
	size int64
	text int64 // of size, what is the action's own
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
	var lines bytes.Buffer
	text := int64(0)
	for i, entry := range out {
		if n := seq + int64(i); n > k.last && n <= maxNumber {
			k.last = n
			line := oneLine(entry.Text)
			fmt.Fprintf(&lines, "%d\t%c\t%s\t%s\n", n, letter(entry.Source), entry.Occurred.UTC().Format(time.RFC3339Nano), line)
			text += int64(len(line) + 1)
		}
	}
	if lines.Len() == 0 || k.size > maxAction {
		return nil
	}
	cost := int64(lines.Len())
	if k.size == 0 {
		cost += fileCost
	}
	k.size += int64(lines.Len())
	if k.size > maxAction {
		lines.Reset()
		fmt.Fprintf(&lines, "%d\tE\t%s\t%s\n", k.last, time.Now().UTC().Format(time.RFC3339Nano), notice)
		text = int64(len(notice) + 1)
	}
	if err := k.write(lines.Bytes()); err != nil {
		return err
	}
	k.text += text
	return k.store.wrote(k.folder, cost)
}

// Size is how long the text is that the file has, in bytes. It is counted as it is written, and read only where an
// earlier process wrote it.
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

// oneLine makes an entry what the file needs it to be. A Tentacle of ours sends nothing else.
func oneLine(text string) string {
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	return strings.ReplaceAll(text, "\n", " ")
}

// letter names a stream: O and E are the step's own, D is what tells of its launcher.
func letter(source tentacle.ProcessOutputSource) byte {
	switch source {
	case tentacle.StdErr:
		return 'E'
	case tentacle.Debug:
		return 'D'
	default:
		return 'O'
	}
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

// create opens the file for more. Its folder may have been pruned away meanwhile.
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
