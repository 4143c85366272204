//go:build unix

package journal

import (
	"errors"
	"os"
	"syscall"
)

func how(exclusive bool) int {
	if exclusive {
		return syscall.LOCK_EX
	}
	return syscall.LOCK_SH
}

// waitLock waits for the lock without end.
func waitLock(f *os.File, exclusive bool) error {
	for {
		err := syscall.Flock(int(f.Fd()), how(exclusive))
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func tryLock(f *os.File, exclusive bool) (bool, error) {
	err := syscall.Flock(int(f.Fd()), how(exclusive)|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}

// syncFolder puts the name of a new file on the disk.
func syncFolder(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
