//go:build !linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// dieWithUs does nothing here: the demo ends what it started.
func dieWithUs(*exec.Cmd) {}

// strays are the web services that the deployments left running, by the files that they wrote.
func (s *stage) strays() []int {
	var pids []int
	for _, home := range s.machines {
		file := filepath.Join(home, "shop.pid")
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
