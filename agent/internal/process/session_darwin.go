package process

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

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

// allProcesses returns what processes this one can see.
func allProcesses() []member {
	infos, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil
	}
	all := make([]member, 0, len(infos))
	for _, info := range infos {
		m := member{id: int(info.Proc.P_pid), parent: int(info.Eproc.Ppid), dead: info.Proc.P_stat == zombie}
		m.session, _ = unix.Getsid(m.id)
		all = append(all, m)
	}
	return all
}

// hasVariable knows nothing of other processes' environments here.
func hasVariable(int, string) (has, known bool) { return false, false }

// killMember kills a process of a session.
func killMember(pid, _ int) { _ = syscall.Kill(pid, syscall.SIGKILL) }

// AdoptOrphans does nothing: here, what loses its parent and has left the session is out of reach.
func AdoptOrphans() {}

// await waits for the script and tells its exit status.
func await(cmd *exec.Cmd, ended func(status int32, killed bool)) {
	_ = cmd.Wait() // its error says no more than the state
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	ended(exitStatus(status), wasKilled(status))
}

func reserve(file *os.File, size int64) error {
	_, err := file.WriteAt(make([]byte, size), 0)
	return err
}
