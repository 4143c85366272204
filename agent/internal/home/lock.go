package home

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	// lockPatience is how long a daemon tries for its lock: a command that looks whether one lives
	// holds it for a moment.
	lockPatience = time.Second
	// changePatience is how long Change waits for its turn.
	changePatience = 10 * time.Second
	lockPause      = 20 * time.Millisecond
)

// errHeld is what tryLock returns when another holds the lock.
var errHeld = errors.New("held by another process")

// RunningError says that a daemon serves this home already. PID is 0 where it could not be read.
type RunningError struct {
	PID  int
	Home string
}

// Error names the process and the home.
func (e *RunningError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("a tentacle already runs for %s", e.Home)
	}
	return fmt.Sprintf("a tentacle already runs for %s (process %d)", e.Home, e.PID)
}

// Lock is the daemon's hold on its home. It ends with Release or with the process.
type Lock struct {
	file *os.File
}

func (h Home) daemonFile() string { return h.State("daemon") }

// startingFile is locked while a daemon takes its lock and writes its process id, so that nobody reads that of a former daemon,
// which may be another process's by now.
func (h Home) startingFile() string { return h.State("starting") }

// LockDaemon makes the calling process the one daemon of this home and writes its process id into the
// lock's file. It fails with *RunningError when there is another.
func (h Home) LockDaemon() (l *Lock, err error) {
	err = Exclusive(h.startingFile(), func() error {
		l, err = h.lockDaemon()
		return err
	})
	return l, err
}

func (h Home) lockDaemon() (*Lock, error) {
	f, err := waitLock(h.daemonFile(), lockPatience)
	if errors.Is(err, errHeld) {
		return nil, &RunningError{PID: h.readPID(), Home: h.dir}
	}
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", h.daemonFile(), err)
	}
	l := &Lock{file: f}
	if err := l.writePID(); err != nil {
		return nil, errors.Join(fmt.Errorf("writing %s: %w", h.daemonFile(), err), l.Release())
	}
	return l, nil
}

func (l *Lock) writePID() error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// Release forgets the process id and gives the lock back. The file stays: removing it would let two
// daemons lock two files of one name.
func (l *Lock) Release() error {
	return errors.Join(l.file.Truncate(0), l.file.Close())
}

// Daemon tells whether a daemon serves this home, and its process id (0 if it has only just started).
func (h Home) Daemon() (pid int, running bool, err error) {
	if _, err := os.Lstat(h.daemonFile()); errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	f, err := openLock(h.daemonFile())
	if err != nil {
		return 0, false, fmt.Errorf("opening %s: %w", h.daemonFile(), err)
	}
	defer f.Close() // gives the lock back, if it was had
	switch err := tryLock(f); {
	case err == nil:
		return 0, false, nil
	case errors.Is(err, errHeld):
		err = Exclusive(h.startingFile(), func() error {
			pid = h.readPID()
			return nil
		})
		return pid, true, err
	default:
		return 0, false, fmt.Errorf("looking at %s: %w", h.daemonFile(), err)
	}
}

func (h Home) readPID() int {
	data, err := ReadFile(h.daemonFile(), 64)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid <= 0 {
		return 0
	}
	return pid
}

// Change runs f while no other process or goroutine is inside Change for this home. f must read anew
// what it changes. It waits at most ten seconds for its turn.
func (h Home) Change(f func() error) error { return Exclusive(h.State("lock"), f) }

// Exclusive runs f while no other process or goroutine is inside Exclusive for the same lock file, which it
// makes where it is missing. It waits at most ten seconds for its turn.
func Exclusive(path string, f func() error) error {
	file, err := waitLock(path, changePatience)
	if errors.Is(err, errHeld) {
		return fmt.Errorf("waiting for %s: another tentacle command has held it for %s; end it and try again", path, changePatience)
	}
	if err != nil {
		return fmt.Errorf("locking %s: %w", path, err)
	}
	defer file.Close() // gives the lock back
	return f()
}

// openLock follows no link: a lock is given to the owner of its folder, who must not choose another file for that.
func openLock(path string) (f *os.File, err error) {
	err = AsOwner(filepath.Dir(path), func() error {
		f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|noFollow, 0o600)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := Adopt(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func waitLock(path string, patience time.Duration) (*os.File, error) {
	f, err := openLock(path)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(patience)
	again := time.NewTicker(lockPause)
	defer again.Stop()
	for {
		err = tryLock(f)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, errHeld) || time.Now().After(deadline) {
			return nil, errors.Join(err, f.Close())
		}
		<-again.C
	}
}
