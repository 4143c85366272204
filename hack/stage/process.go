package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// The bounds of ending things.
const (
	graceToEnd  = 10 * time.Second
	strayToEnd  = 5 * time.Second
	strayToObey = time.Second // after which it is killed
)

// process is a program that runs until the demo ends.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended
}

// start runs a program until the demo ends, with its output in a file.
func (s *stage) start(name string, cmd *exec.Cmd) (*process, error) {
	p := &process{name: name, cmd: cmd, log: s.path(name + ".log"), done: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("making a log: %w", err)
	}
	defer log.Close()
	cmd.Stderr = log
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	dieWithUs(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		_ = cmd.Wait()
		close(p.done)
	}()
	s.processes = append(s.processes, p)
	return p, nil
}

// alive fails when one of the processes has ended by itself.
func (s *stage) alive() error {
	for _, p := range s.processes {
		select {
		case <-p.done:
			return fmt.Errorf("%s has ended (%s)", p.name, p.cmd.ProcessState)
		default:
		}
	}
	return nil
}

// logs are the last lines of every process, for who has to find out what went wrong.
func (s *stage) lastLines() string {
	const most = 1500
	var all strings.Builder
	for _, p := range s.processes {
		content, err := os.ReadFile(p.log)
		if err != nil || len(content) == 0 {
			continue
		}
		fmt.Fprintf(&all, "--- the end of %s's log:\n%s\n", p.name, bytes.TrimSpace(content[max(0, len(content)-most):]))
	}
	return all.String()
}

// end asks processes to end, all at once, and kills those that do not.
func end(processes []*process) {
	for _, p := range processes {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // one that has ended is no longer there to get it
	}
	ctx, cancel := context.WithTimeout(context.Background(), graceToEnd)
	defer cancel()
	for _, p := range processes {
		select {
		case <-p.done:
		case <-ctx.Done():
			_ = p.cmd.Process.Kill()
			<-p.done
		}
	}
}

// close ends every process and removes the folder: first those that start others, then what they left, and last the API.
func (s *stage) close() error {
	if len(s.processes) > 1 {
		end(s.processes[1:])
	}
	err := s.endStrays()
	for _, p := range s.pipes {
		_ = p.Close()
	}
	if len(s.processes) > 0 {
		end(s.processes[:1])
	}
	if removed := os.RemoveAll(s.dir); removed != nil {
		err = errors.Join(err, fmt.Errorf("cleaning up: %w", removed))
	}
	return err
}

// endStrays ends what the Tentacles left running.
func (s *stage) endStrays() error {
	sent := syscall.SIGTERM
	for began := time.Now(); ; <-time.After(20 * time.Millisecond) {
		pids := s.strays()
		if len(pids) == 0 {
			return nil
		}
		switch spent := time.Since(began); {
		case spent > strayToEnd:
			return fmt.Errorf("these processes did not end: %v", pids)
		case spent > strayToObey:
			sent = syscall.SIGKILL
		}
		for _, pid := range pids {
			if p, err := os.FindProcess(pid); err == nil {
				_ = p.Signal(sent) // it may have ended meanwhile
			}
		}
	}
}
