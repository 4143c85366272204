package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// first lets the daemon of a container that has no init run under one: this process. Process 1 becomes the parent of every
// process whose own parent has ended, as those are that scripts leave behind, and each keeps its number until process 1 has
// waited for it. A daemon that waited for all would take from itself the ends of those that it started. It returns the
// daemon's exit code, and false where this process is not the first, or does not run the daemon.
func first(args []string) (code int, was bool) {
	if os.Getpid() != 1 || len(args) == 0 || args[0] != "run" {
		return 0, false
	}
	return underInit(args), true
}

// underInit runs this program as a child, passes on the signals that are for it, and waits for whatever ends.
func underInit(args []string) int {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	// Of a group of its own, so that a signal of the terminal comes once.
	daemon, err := os.StartProcess("/proc/self/exe", // #nosec G702 -- this program, as it was called itself
		append([]string{os.Args[0]}, args...), &os.ProcAttr{
			Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}, Env: os.Environ(), Sys: &syscall.SysProcAttr{Setpgid: true}})
	if err != nil {
		fmt.Fprintf(os.Stderr, "tentacle: starting the daemon: %v\n", err)
		return 1
	}
	pid := daemon.Pid
	_ = daemon.Release() // waited for below, with all others
	go func() {
		for s := range signals {
			if number, ok := s.(syscall.Signal); ok {
				_ = syscall.Kill(pid, number)
			}
		}
	}()
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR) || ended != pid && err == nil:
		case err != nil:
			fmt.Fprintf(os.Stderr, "tentacle: waiting for the daemon: %v\n", err)
			return 1
		case status.Signaled():
			return 128 + int(status.Signal())
		default:
			return status.ExitStatus()
		}
	}
}
