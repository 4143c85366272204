package process

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const zombie = 5 // SZOMB of sys/proc.h

// bootID identifies this run of the machine.
func bootID() string {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return ""
	}
	return id
}

// startTime tells processes of the same number apart; empty where there is no such process.
func startTime(pid int) string {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || info.Proc.P_pid != int32(pid) { // #nosec G115 -- process ids are small
		return ""
	}
	return fmt.Sprintf("%d.%06d", info.Proc.P_starttime.Sec, info.Proc.P_starttime.Usec)
}

// sessionProcesses returns the living processes of a session without this one. A dead one that nobody has
// asked after is not living.
func sessionProcesses(session int) []int {
	all, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil
	}
	var ids []int
	for _, info := range all {
		pid := int(info.Proc.P_pid)
		if pid == os.Getpid() || info.Proc.P_stat == zombie {
			continue
		}
		if sid, err := unix.Getsid(pid); err == nil && sid == session {
			ids = append(ids, pid)
		}
	}
	return ids
}

func reserve(file *os.File, size int64) error {
	_, err := file.WriteAt(make([]byte, size), 0)
	return err
}
