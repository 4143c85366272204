package process

import (
	"errors"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

const (
	// systemProcess is the number of the process that Windows begins with, and that lives as long.
	systemProcess = 4
	// listSize is what the list of processes takes at first, and mostListed what it may.
	listSize, mostListed = 1 << 20, 64 << 20
)

// bootID identifies this run of the machine by when its first process began, which no change of the clock moves. It is
// empty where that is not told.
func bootID() string {
	for size := uint32(listSize); size <= mostListed; size *= 2 {
		list := make([]byte, size)
		err := windows.NtQuerySystemInformation(windows.SystemProcessInformation, unsafe.Pointer(&list[0]), size, nil) // #nosec G103 -- how Windows is asked
		if errors.Is(err, windows.STATUS_INFO_LENGTH_MISMATCH) {
			continue
		}
		if err != nil {
			return ""
		}
		return filetime(createdAt(list, systemProcess))
	}
	return ""
}

// createdAt is when the process of a number was created, by a list of all; 0 where it is not in it.
func createdAt(list []byte, id uintptr) int64 {
	const entry = uint64(unsafe.Sizeof(windows.SYSTEM_PROCESS_INFORMATION{}))
	for at := uint64(0); at+entry <= uint64(len(list)); {
		p := (*windows.SYSTEM_PROCESS_INFORMATION)(unsafe.Pointer(&list[at])) // #nosec G103 -- it lies within the list
		if p.UniqueProcessID == id {
			return p.CreateTime
		}
		if p.NextEntryOffset == 0 {
			return 0
		}
		at += uint64(p.NextEntryOffset)
	}
	return 0
}

func filetime(at int64) string {
	if at <= 0 {
		return ""
	}
	return strconv.FormatInt(at, 10)
}

// startTime tells processes of the same number apart; empty where there is no such process.
func startTime(pid int) string {
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid)) // #nosec G115 -- as Windows gave it
	if err != nil {
		return ""
	}
	defer windows.CloseHandle(process) //nolint:errcheck // it was only looked at
	return begun(process)
}

func begun(process windows.Handle) string {
	var created, exited, kernel, user windows.Filetime
	if windows.GetProcessTimes(process, &created, &exited, &kernel, &user) != nil {
		return ""
	}
	return filetime(int64(created.HighDateTime)<<32 | int64(created.LowDateTime))
}

// EndSession waits until a supervisor that vanished is gone, for patience at most. Windows then ends all that is in its
// Job by itself, so there is nothing to find and nobody is left.
func EndSession(started Started, patience time.Duration) (found, left []int) {
	if started.Process <= 0 || started.Rebooted() {
		return nil, nil
	}
	const access = windows.SYNCHRONIZE | windows.PROCESS_QUERY_LIMITED_INFORMATION
	supervisor, err := windows.OpenProcess(access, false, uint32(started.Process)) // #nosec G115 -- as Windows gave it
	if err != nil {
		return nil, nil // it is gone
	}
	defer windows.CloseHandle(supervisor) //nolint:errcheck // it was only waited for
	if begun(supervisor) == started.StartTime {
		_, _ = windows.WaitForSingleObject(supervisor, uint32(patience.Milliseconds())) // #nosec G115 -- some seconds
	}
	return nil, nil
}

// AdoptOrphans does nothing: what a script starts ends with it.
func AdoptOrphans() {}

// Descendants returns none, for the same reason.
func Descendants() []int { return nil }
