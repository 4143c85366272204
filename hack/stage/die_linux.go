package stage

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// DieWithUs ends the process when this one is killed, and keeps the terminal's Ctrl-C from it: Close ends it in order.
func DieWithUs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// strays are the processes that the Tentacles left running, as they should: scripts, and what those started. They are
// known by a variable of their environment that only this stage's machines have.
func (s *Stage) strays() []int {
	mark := []byte(s.Mark())
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
