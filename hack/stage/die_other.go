//go:build !linux

package stage

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// DieWithUs does nothing here: Close ends what was started.
func DieWithUs(*exec.Cmd) {}

// strays are the services that deployments left running, by the files NAME.pid that they wrote into a machine's home.
func (s *Stage) strays() []int {
	var pids []int
	files, err := filepath.Glob(s.Path("*", "*.pid"))
	if err != nil {
		return nil
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		_ = os.Remove(file) // it is ended once
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && pid > 1 {
			pids = append(pids, pid)
		}
	}
	return pids
}
