package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/home"
)

const (
	// defaultSize is when a file is full, and defaultKeep how many full ones are kept.
	defaultSize = 8 << 20
	defaultKeep = 24
	// noteDelay is how long a line of Note waits for others before it is synced.
	noteDelay = time.Second
)

// errClosed is the answer to who writes after Close.
var errClosed = errors.New("the audit log is closed")

// Log adds lines to the audit log of a folder. It is safe for concurrent use, and so are several Logs of one
// folder, in one process or in many.
type Log struct {
	dir     string
	logger  *slog.Logger
	maxSize int64
	keep    int

	// syncing is held while the file is synced or changed for a new one. It is taken before mu.
	syncing sync.Mutex

	mu     sync.Mutex // held while a line is written
	file   *os.File
	size   int64      // the file's, as this Log left it
	last   Head       // the end of the chain, on the disk or not
	synced Head       // and what of it is on the disk
	stale  []*os.File // files that somebody replaced; closed with the next sync
	lost   int64      // lines that could not be written since the last that could
	timer  *time.Timer
	closed bool
}

// Open opens the log of the folder dir, and makes both where they are missing. What the last writer left torn
// or missing is noted in the log. logger is told of what nobody else is: that lines of Note cannot be written.
func Open(dir string, logger *slog.Logger) (*Log, error) {
	return open(dir, logger, defaultSize, defaultKeep)
}

func open(dir string, logger *slog.Logger, maxSize int64, keep int) (*Log, error) {
	l := &Log{dir: dir, logger: logger, maxSize: maxSize, keep: keep}
	l.mu.Lock()
	err := l.exclusive(func() error {
		head, err := ReadHead(dir)
		missing := errors.Is(err, errNoHead)
		if missing {
			head = beginning()
		} else if err != nil {
			return err
		}
		l.last, l.synced = head, head
		if err := l.takeUp(); err != nil {
			return err
		}
		if !missing || l.last.Count == 0 {
			return writeHead(dir, l.synced)
		}
		return l.gap("the head beside the log was missing, so that nobody knows whether these lines are all")
	})
	l.mu.Unlock()
	if err == nil && l.last != l.synced {
		err = l.flush(l.last.Count)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the audit log in %s: %w", dir, err), l.close())
	}
	return l, nil
}

// exclusive runs f while no other process writes. Who calls it holds mu.
func (l *Log) exclusive(f func() error) error {
	if err := l.makeFolder(); err != nil {
		return fmt.Errorf("making the folder of the audit log: %w", err)
	}
	return home.Exclusive(filepath.Join(l.dir, lockFile), func() error { return home.AsOwner(l.dir, f) })
}

func (l *Log) makeFolder() error {
	err := home.AsOwner(filepath.Dir(l.dir), func() error { return os.Mkdir(l.dir, 0o700) })
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	made, err := os.Open(l.dir)
	if err != nil {
		return err
	}
	return errors.Join(home.Adopt(made), made.Close())
}

// Append adds a line, and returns when it is on the disk. An error means that it is not: what it was to record
// must not be done.
func (l *Log) Append(e Entry) error {
	number, err := l.write(e)
	if err == nil {
		err = l.flush(number)
	}
	if err != nil {
		return fmt.Errorf("writing the audit log: %w", err)
	}
	return nil
}

// Note adds a line that need not be on the disk at once. That it cannot be written is logged, and counted in
// the next line that can be.
func (l *Log) Note(e Entry) {
	if _, err := l.write(e); err != nil {
		l.logger.Error("a line of the audit log is lost", "what", e.What, "decision", e.Decision, "error", err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer == nil && !l.closed {
		l.timer = time.AfterFunc(noteDelay, func() {
			if err := l.flush(0); err != nil {
				l.logger.Error("syncing the audit log", "error", err)
			}
		})
	}
}

// Head is the end of the chain as far as it is on the disk.
func (l *Log) Head() Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.synced
}

// Close syncs what is not synced yet and ends the use of the log.
func (l *Log) Close() error {
	err := l.flush(0)
	return errors.Join(err, l.close())
}

func (l *Log) close() error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.timer != nil {
		l.timer.Stop()
	}
	var err error
	for _, f := range append(l.stale, l.file) {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	l.stale, l.file = nil, nil
	return err
}

// write adds a line, unsynced, and returns its number.
func (l *Log) write(e Entry) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, errClosed
	}
	err := l.exclusive(func() error {
		if err := l.takeUp(); err != nil {
			return err
		}
		if l.lost > 0 {
			if err := l.put(nil, Entry{What: Lost, Count: l.lost, Reason: "this many lines could not be written"}); err != nil {
				return err
			}
			l.lost = 0
		}
		return l.put(nil, e)
	})
	if err != nil {
		l.lost++
	}
	return l.last.Count, err
}

// put writes before and the line of e in one piece. Who calls it is exclusive.
func (l *Log) put(before []byte, e Entry) error {
	e.Number, e.Prev = l.last.Count+1, l.last.Hash
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Time = e.Time.UTC().Truncate(time.Millisecond)
	line, err := encode(e)
	if err != nil {
		return err
	}
	n, err := l.file.Write(append(append(before, line...), '\n'))
	if err != nil {
		l.size = -1 // whatever came of it is found by takeUp
		return err
	}
	l.size += int64(n)
	l.last = e.head(line)
	return nil
}
