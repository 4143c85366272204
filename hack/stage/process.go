package stage

import (
	"bytes"
	"context"
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

// Process is a program that runs until Close.
type Process struct {
	name string
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended
	// killed is true once Kill was called.
	killed bool
}

// Start runs a program until Close, with its output in a file of its name.
func (s *Stage) Start(name string, cmd *exec.Cmd) (*Process, error) {
	p := &Process{name: name, cmd: cmd, log: s.Path(name + ".log"), done: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("making a log: %w", err)
	}
	defer log.Close()
	cmd.Stderr = log
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	DieWithUs(cmd)
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

// Pid is the process's id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Kill ends the process as a crash does, and returns when it has ended.
func (p *Process) Kill() error {
	p.killed = true
	if err := p.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("killing %s: %w", p.name, err)
	}
	<-p.done
	return nil
}

// Alive fails when one of the processes has ended by itself.
func (s *Stage) Alive() error {
	for _, p := range s.processes {
		if p.killed {
			continue
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s has ended (%s)", p.name, p.cmd.ProcessState)
		default:
		}
	}
	return nil
}

// LastLines are the last lines of every process, for who has to find out what went wrong.
func (s *Stage) LastLines() string {
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
func end(processes []*Process) {
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

// endStrays ends what scripts left running on the machines.
func (s *Stage) endStrays() error {
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
