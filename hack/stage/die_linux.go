package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// dieWithUs ends the process when the demo is killed, and keeps the terminal's Ctrl-C from it: the demo ends it in order.
func dieWithUs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// strays are the processes that the Tentacles left running, as they should: scripts, and what those started. They are
// known by a variable of their environment that only this demo's Tentacles have.
func (s *stage) strays() []int {
	mark := []byte(s.mark())
	found, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil
	}
	var pids []int
	for _, name := range found {
		environment, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(environment, mark) {
			continue // somebody else's, or gone
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
