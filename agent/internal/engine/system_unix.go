//go:build unix

package engine

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// group is a script's process group. Its number is that of its first process.
type group struct{ pid int }

// startGroup starts a command as the first process of a group of its own, in the engine's session.
func startGroup(cmd *exec.Cmd) (*group, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &group{cmd.Process.Pid}, nil
}

// ask asks the group to end.
func (g *group) ask() { _ = syscall.Kill(-g.pid, syscall.SIGTERM) }

// kill ends the group.
func (g *group) kill() { _ = syscall.Kill(-g.pid, syscall.SIGKILL) }

func (g *group) release() {}

// apart starts a command in a session of its own.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// exitCode is a process's code, or 128 and the number of the signal that ended it, as shells say it.
func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// endSignals tell the engine to end its step.
func endSignals() []os.Signal { return []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} }

// pipeSignals come when nobody reads the output any more.
func pipeSignals() []os.Signal { return []os.Signal{syscall.SIGPIPE} }

// syncFolder puts the names in a folder on the disk.
func syncFolder(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
