package process

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/mantledeploy/mantle/agent/internal/uptime"
)

// bootID identifies this run of the machine; in a container also its processes' own numbering, which ends
// with it.
func bootID() string {
	boot := uptime.Boot()
	if boot == "" {
		return ""
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		space = ""
	}
	return boot + " " + space
}

// startTime tells processes of the same number apart; empty where there is no such process.
func startTime(pid int) string {
	fields := stat(pid)
	if len(fields) < 20 {
		return ""
	}
	return fields[19]
}

// stat returns the fields of /proc/PID/stat from the third on, the state.
func stat(pid int) []string {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	text := string(data)
	return strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
}

// allProcesses returns what processes this one can see.
func allProcesses() []member {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	all := make([]member, 0, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		fields := stat(pid)
		if len(fields) < 4 {
			continue
		}
		parent, _ := strconv.Atoi(fields[1])
		session, _ := strconv.Atoi(fields[3])
		all = append(all, member{id: pid, parent: parent, session: session, dead: fields[0] == "Z" || fields[0] == "X"})
	}
	return all
}

// maxEnviron is how much is read of the environment of a process.
const maxEnviron = 4 << 20

// hasVariable tells whether a process was started with NAME=value in its environment. known is false where that cannot be seen.
func hasVariable(pid int, variable string) (has, known bool) {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false, !errors.Is(err, fs.ErrPermission)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxEnviron))
	if err != nil {
		return false, !errors.Is(err, fs.ErrPermission)
	}
	return slices.Contains(strings.Split(string(data), "\x00"), variable), true
}

// killMember kills a process if it is in the session. A descriptor holds it meanwhile, so that its number is not another's.
func killMember(pid, session int) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // an old system, or a sandbox
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		return
	}
	defer unix.Close(fd) //nolint:errcheck // nothing can be done about it
	if fields := stat(pid); len(fields) > 3 && fields[3] == strconv.Itoa(session) {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}

// AdoptOrphans makes this process the parent of whatever loses its own below it, so that a script's
// processes are found by a cancel even when they have made sessions of their own.
func AdoptOrphans() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// await waits for the script, tells its exit status, and goes on to take those of the orphans that this
// process was given, as long as there are any.
func await(cmd *exec.Cmd, ended func(status int32, killed bool)) {
	leader := cmd.Process.Pid
	_ = cmd.Process.Release() // it is waited for here
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, unix.WALL, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return
		case pid == leader:
			ended(exitStatus(status), wasKilled(status))
		}
	}
}

func reserve(file *os.File, size int64) error {
	err := unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size) // #nosec G115 -- descriptors are small
	if err == nil {
		return nil
	}
	_, err = file.WriteAt(make([]byte, size), 0) // a file system that cannot do it otherwise
	return err
}
