package journal

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

func lockFile(f *os.File, exclusive bool, flags uint32) error {
	if exclusive {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	// One byte far behind the end: Windows' locks keep others from reading what is locked.
	at := windows.Overlapped{OffsetHigh: 1 << 30}
	return windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &at)
}

// waitLock waits for the lock without end.
func waitLock(f *os.File, exclusive bool) error { return lockFile(f, exclusive, 0) }

func tryLock(f *os.File, exclusive bool) (bool, error) {
	err := lockFile(f, exclusive, windows.LOCKFILE_FAIL_IMMEDIATELY)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

// syncFolder does nothing: Windows writes names with the files.
func syncFolder(string) error { return nil }
