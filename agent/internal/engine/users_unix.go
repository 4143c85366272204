//go:build unix

package engine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"

	"github.com/mantledeploy/mantle/agent/internal/account"
	"github.com/mantledeploy/mantle/agent/internal/process"
)

// fallbackTemp is where every user may make folders.
const fallbackTemp = "/tmp"

// inheritWorker takes over the pipes to a worker that the supervisor started, so that no script inherits them.
func inheritWorker() *worker {
	if os.Getenv(process.WorkerVariable) != "1" {
		return nil
	}
	var files [3]*os.File
	for i := range files {
		fd := process.WorkerDescriptor + i
		var stat syscall.Stat_t
		if syscall.Fstat(fd, &stat) != nil || stat.Mode&syscall.S_IFMT != syscall.S_IFIFO {
			return nil
		}
		syscall.CloseOnExec(fd)
		files[i] = os.NewFile(uintptr(fd), "worker")
	}
	return &worker{in: files[0], out: files[1], err: files[2], remedy: "the Tentacle started nothing as that user"}
}

// runsAs says whether this process runs as the account of that name already.
func (s *session) runsAs(name string) (bool, error) {
	if s.worker != nil {
		return false, nil // it was started as that user, who so is there, and another
	}
	a, err := process.LookupAccount(name)
	if err != nil {
		return false, fmt.Errorf("the step is to run as %s: %w", name, err)
	}
	return a.IsSelf(), nil
}

// findWorker returns who can run a job as the account of that name: the worker that the supervisor has
// started, or one of the engine's own, where it has the rights of root or sudo gives it those.
func (s *session) findWorker(name string) (*worker, error) {
	if s.worker != nil {
		return s.worker, nil
	}
	engine, err := enginePath()
	if err != nil {
		return nil, err
	}
	a, err := process.LookupAccount(name)
	if err != nil {
		return nil, err
	}
	if process.MayBecome(a) == nil {
		return startWorker(a, "", engine, "step", "--worker")
	}
	own := strconv.Itoa(os.Geteuid())
	if u, err := user.Current(); err == nil && u.Username != "" {
		own = u.Username
	}
	remedy := "let the owner of the machine run the Tentacle as root or with CAP_SETUID, CAP_SETGID and CAP_KILL, or allow it in sudoers by"
	if a.UID == 0 { // whom those rights are not used for
		remedy = "let the owner of the machine allow it in sudoers by"
	}
	remedy = fmt.Sprintf("%s '%s ALL=(%s) NOPASSWD: %s step --worker'", remedy, own, name, engine)
	sudo, err := exec.LookPath("sudo")
	if err != nil {
		return nil, fmt.Errorf("the step is to run as %s, which this Tentacle may not, and there is no sudo: %s", name, remedy)
	}
	return startWorker(nil, remedy, sudo, "-n", "-u", name, "--", engine, "step", "--worker")
}

// startWorker starts a worker as a process of the engine's own, as account a where that is not nil.
func startWorker(a *account.Account, remedy string, argv ...string) (*worker, error) {
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:noctx // it ends with its input, and ends its script before
	cmd.Dir, cmd.Env = "/", os.Environ()
	process.Become(cmd, a)
	in, err := cmd.StdinPipe()
	var out, complaints *os.File
	var theirs [2]*os.File
	if err == nil {
		out, theirs[0], err = os.Pipe()
	}
	if err == nil {
		complaints, theirs[1], err = os.Pipe()
	}
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	cmd.Stdout, cmd.Stderr = theirs[0], theirs[1]
	err = process.StartBare(cmd)
	_, _ = theirs[0].Close(), theirs[1].Close()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", argv[0], err), out.Close(), complaints.Close())
	}
	go func() { _ = cmd.Wait() }() // its answer tells how it ended
	return &worker{in: in, out: out, err: complaints, remedy: remedy}, nil
}
