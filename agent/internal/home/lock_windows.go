package home

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// noFollow makes an open fail where the name is that of a link.
const noFollow = 0 // who may make links there may do all else

// lockedByte lies far behind any content: on Windows nobody else can read what is locked, and the
// process id must stay readable.
const lockedByte = 1 << 30

// tryLock takes an exclusive lock that the system gives back when the process ends.
func tryLock(f *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &windows.Overlapped{Offset: lockedByte})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return errHeld
	}
	return err
}
