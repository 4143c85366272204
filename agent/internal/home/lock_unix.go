//go:build !windows

package home

import (
	"errors"
	"os"
	"syscall"
)

// noFollow makes an open fail where the name is that of a link.
const noFollow = syscall.O_NOFOLLOW

// tryLock takes an exclusive lock that belongs to the open file: the system gives it back when the
// process ends, however it ends.
func tryLock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return errHeld
		case errors.Is(err, syscall.EINTR):
		default:
			return err
		}
	}
}
