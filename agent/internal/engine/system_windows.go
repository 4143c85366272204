package engine

import (
	"errors"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/windows"
)

// group is the job object in which a script and all its processes are.
type group struct {
	pid int
	job windows.Handle
}

// startGroup starts a command in a job of its own, which may be outlived by what the script left behind.
func startGroup(cmd *exec.Cmd) (*group, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return nil, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, windows.CloseHandle(job))
	}
	g := &group{cmd.Process.Pid, job}
	process, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(g.pid)) //nolint:gosec // A process id.
	if err == nil {
		err = errors.Join(windows.AssignProcessToJobObject(job, process), windows.CloseHandle(process))
	}
	if err != nil {
		return nil, errors.Join(err, cmd.Process.Kill(), ignoreExit(cmd.Wait()), windows.CloseHandle(job))
	}
	return g, nil
}

// ask asks the group to end, as Ctrl-Break does.
func (g *group) ask() {
	_ = windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(g.pid)) //nolint:gosec // A process id.
}

// kill ends the job.
func (g *group) kill() { _ = windows.TerminateJobObject(g.job, 1) }

func (g *group) release() { _ = windows.CloseHandle(g.job) }

// apart starts a command that no key of a console reaches.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.DETACHED_PROCESS}
}

// exitCode is a process's code.
func exitCode(state *os.ProcessState) int { return state.ExitCode() }

// endSignals tell the engine to end its step.
func endSignals() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }

// pipeSignals is empty: Windows has none.
func pipeSignals() []os.Signal { return []os.Signal{syscall.SIGPIPE} }

// syncFolder does nothing: Windows writes names with the files.
func syncFolder(string) error { return nil }
