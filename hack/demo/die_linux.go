package main

import (
	"os/exec"
	"syscall"
)

// dieWithUs ends the process when the demo is killed, and keeps the terminal's Ctrl-C from it: the demo ends it in order.
func dieWithUs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
