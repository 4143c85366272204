package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/home"
)

const (
	// lockWait is how long is waited for a lock.
	lockWait = 30 * time.Second
	// formerWait is how long who has the turn waits for the lock of the journal itself.
	formerWait = 100 * time.Millisecond
	// lockPause is the time between two tries for that lock.
	lockPause = 5 * time.Millisecond
	// maxReplaced is how often the journal may be replaced while somebody waits for its lock.
	maxReplaced = 100
)

// turnFile is the file whose lock is taken before anything is done with the journal of a home. It lies where only the daemon's
// user can open it: the journal itself belongs to the user of the scripts, and any of those could lock it for as long as it likes.
//
// Earlier versions lock the journal itself, and may still have processes that run. So who has the turn tries for that lock, too,
// but for formerWait only. A version that follows no such one can leave it out.
func turnFile(dir string) string { return filepath.Join(dir, home.StateFolder, "journal.lock") }

// takeTurn waits for the turn, which ends when what it returns is closed. That is nil where there is no such file to be had: in the
// home of another Tentacle, and for a process that is not of the daemon's user.
func (j *Journal) takeTurn(exclusive bool) (*os.File, error) {
	var file *os.File
	err := home.AsOwner(filepath.Dir(j.turn), func() (err error) {
		file, err = os.OpenFile(j.turn, os.O_RDWR|os.O_CREATE, 0o600)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, nil //nolint:nilnil // none is an answer here, not an error
	}
	if err != nil {
		return nil, err
	}
	got := make(chan error, 1)
	go func() { got <- waitLock(file, exclusive) }()
	timer := time.NewTimer(lockWait)
	defer timer.Stop()
	select {
	case err = <-got:
	case <-timer.C:
		go func() { // nobody can call it off
			_, _ = <-got, file.Close()
		}()
		return nil, fmt.Errorf("another process has held %s for %s", j.turn, lockWait)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// locked opens the journal, takes its locks, and lets them go after f, which has the rights of whom the journal belongs to.
func (j *Journal) locked(exclusive bool, f func(*os.File) error) error {
	turn, err := j.takeTurn(exclusive)
	if err != nil {
		return fmt.Errorf("waiting for the journal: %w", err)
	}
	if turn != nil {
		defer turn.Close()
	}
	return j.as(func() error {
		for range maxReplaced {
			if again, err := j.lockedOnce(exclusive, turn != nil, f); !again {
				return err
			}
		}
		return errors.New("using the journal: it is replaced again and again")
	})
}

// lockedOnce is locked, but calls nothing where the journal was replaced while this waited for the lock of the former one.
func (j *Journal) lockedOnce(exclusive, hasTurn bool, f func(*os.File) error) (again bool, err error) {
	file, err := os.OpenFile(filepath.Join(j.folder, File), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return false, fmt.Errorf("opening the journal: %w", err)
	}
	defer func() {
		if closeErr := file.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("closing the journal: %w", closeErr)
		}
	}()
	patience := lockWait
	if hasTurn {
		patience = formerWait
	}
	got, err := lock(file, exclusive, patience)
	if err == nil && !got && !hasTurn {
		err = fmt.Errorf("another process has held it for %s", patience)
	}
	if err != nil {
		return false, fmt.Errorf("locking the journal: %w", err)
	}
	if same, err := j.current(file); err != nil || !same {
		return err == nil, err
	}
	if err := f(file); err != nil {
		return false, fmt.Errorf("using the journal: %w", err)
	}
	return false, nil
}

// lock tries until it has the lock, or patience is over. Closing the file releases it.
func lock(f *os.File, exclusive bool, patience time.Duration) (got bool, err error) {
	for end := time.Now().Add(patience); ; time.Sleep(lockPause) { //nolint:forbidigo // others may hold the lock without end, so it cannot just be waited for
		got, err := tryLock(f, exclusive)
		if err != nil || got || time.Now().After(end) {
			return got, err
		}
	}
}
