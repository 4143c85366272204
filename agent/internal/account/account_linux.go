package account

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// as does f in a goroutine with a thread of its own. Where that cannot be made again what it was, it ends
// with the goroutine. All calls are the bare ones, as those of package syscall change every thread.
func (a *Account) as(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		groups, err := os.Getgroups()
		if err == nil {
			err = a.take()
		}
		if err != nil {
			done <- fmt.Errorf("taking the rights of %s: %w", a, err)
			return
		}
		defer func() { done <- err }()
		defer func() {
			if giveBack(groups) == nil {
				runtime.UnlockOSThread()
			}
		}()
		err = f()
	}()
	return <-done
}

// take changes the thread. The user comes last, as it needs the rights of the one before to change the rest.
func (a *Account) take() error {
	if err := setGroups(a.Groups); err != nil {
		return err
	}
	unixSet(unix.SYS_SETFSGID, a.GID)
	unixSet(unix.SYS_SETFSUID, a.UID)
	// Neither call says whether it did anything, but both tell what was before.
	if unixSet(unix.SYS_SETFSUID, ^uint32(0)) != a.UID || unixSet(unix.SYS_SETFSGID, ^uint32(0)) != a.GID {
		return unix.EPERM
	}
	return nil
}

func giveBack(groups []int) error {
	uid, gid := uint32(os.Geteuid()), uint32(os.Getegid()) // #nosec G115 -- as the system gave them
	unixSet(unix.SYS_SETFSUID, uid)
	unixSet(unix.SYS_SETFSGID, gid)
	own := make([]uint32, len(groups))
	for i, g := range groups {
		own[i] = uint32(g) // #nosec G115 -- as the system gave them
	}
	err := setGroups(own)
	if unixSet(unix.SYS_SETFSUID, ^uint32(0)) != uid || unixSet(unix.SYS_SETFSGID, ^uint32(0)) != gid {
		err = errors.Join(err, unix.EPERM)
	}
	return err
}

// unixSet makes a call with one number and returns what was before.
func unixSet(call uintptr, id uint32) (before uint32) {
	r, _, _ := unix.RawSyscall(call, uintptr(id), 0, 0)
	return uint32(r)
}

func setGroups(groups []uint32) error {
	var first unsafe.Pointer
	if len(groups) > 0 {
		first = unsafe.Pointer(&groups[0]) // #nosec G103 -- how the system is told
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(first), 0); errno != 0 {
		return errno
	}
	return nil
}
