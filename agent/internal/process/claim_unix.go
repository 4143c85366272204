//go:build unix

package process

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// errHeld is what lockClaim returns when another supervisor holds the claim.
var errHeld = errors.New("held by another process")

// lockClaim takes the lock of a ticket. It belongs to this process and is not inherited by the script; the
// file must not be opened a second time, as closing it would give the lock back.
func lockClaim(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0) // #nosec G304 -- a file of the ticket's own folder
	if err != nil {
		return nil, err
	}
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart}
	err = syscall.FcntlFlock(file.Fd(), syscall.F_SETLK, &lock)
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
		err = errHeld
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// claimHeld asks whether somebody holds the lock, without trying for it.
func claimHeld(path string) (bool, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0) // #nosec G304 -- a file of the ticket's own folder
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart}
	if err := syscall.FcntlFlock(file.Fd(), syscall.F_GETLK, &lock); err != nil {
		return false, err
	}
	return lock.Type != syscall.F_UNLCK, nil
}

// SyncDir makes the names in a folder durable.
func SyncDir(dir string) error {
	file, err := os.Open(dir) // #nosec G304 -- a folder of the home
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// rootOf is a working folder that no one minds being in use.
func rootOf(string) string { return string(filepath.Separator) }
