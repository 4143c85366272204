package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"time"
)

// How long is waited for a script that is being ended, and for output after its end.
const (
	askGrace   = 5 * time.Second  // between asking a script to end and killing it
	killGrace  = 5 * time.Second  // for a killed process to be gone
	quietAfter = 2 * time.Second  // without output after the script's own end
	drainAtEnd = 10 * time.Second // at most, after the script's own end
)

// start runs a command in folder dir and in its own group until it ends by itself, ctx ends, or it cannot be ended. Its
// output goes to the session's. An error means that there is no exit code.
func (s *session) start(ctx context.Context, command []string, dir string, environment []string) (int, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	cmd := exec.Command(command[0], command[1:]...) //nolint:noctx // running what the plan says is the purpose; its end is signalled to a whole group
	cmd.Dir, cmd.Env = dir, environment
	stdout, err := newPipe(s.out.stdout)
	if err != nil {
		return 0, err
	}
	stderr, err := newPipe(s.out.stderr)
	if err != nil {
		stdout.abandon()
		return 0, err
	}
	cmd.Stdout, cmd.Stderr = stdout.w, stderr.w
	group, err := startGroup(cmd)
	_, _ = stdout.w.Close(), stderr.w.Close()
	if err != nil {
		stdout.abandon()
		stderr.abandon()
		return 0, fmt.Errorf("starting %s: %w", command[0], err)
	}
	defer group.release()
	stdout.copy()
	stderr.copy()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	err = s.wait(ctx, group, ended)
	s.drain(stdout, stderr)
	if err != nil {
		return 0, err
	}
	return exitCode(cmd.ProcessState), nil
}

// wait waits for the end of the group's first process. When ctx ends it ends the whole group.
func (s *session) wait(ctx context.Context, g *group, ended <-chan error) error {
	select {
	case err := <-ended:
		return ignoreExit(err)
	case <-ctx.Done():
	}
	g.ask()
	gone := waited(ended, askGrace)
	g.kill() // What is left of the group too.
	if !gone && !waited(ended, killGrace) {
		return fmt.Errorf("ending the script, process %d: it does not die", g.pid)
	}
	return context.Cause(ctx)
}

func waited(ended <-chan error, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ended: //nolint:errcheck // how it ended does not matter, only that it did
		return true
	case <-timer.C:
		return false
	}
}

// ignoreExit keeps only the errors that are not an exit code.
func ignoreExit(err error) error {
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) {
		return nil
	}
	return fmt.Errorf("waiting for the script: %w", err)
}

// pipe carries one stream of a script.
type pipe struct {
	r, w  *os.File
	to    io.Writer
	done  chan struct{}
	bytes atomic.Int64
}

func newPipe(to io.Writer) (*pipe, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	return &pipe{r: r, w: w, to: to, done: make(chan struct{})}, nil
}

func (p *pipe) abandon() { _, _ = p.r.Close(), p.w.Close() }

// copy passes on what arrives until all writers are gone, or the pipe's deadline passes.
func (p *pipe) copy() {
	go func() {
		defer close(p.done)
		buf := make([]byte, 64<<10)
		for {
			n, err := p.r.Read(buf)
			p.bytes.Add(int64(n))
			_, _ = p.to.Write(buf[:n])
			if err != nil {
				return
			}
		}
	}()
}

func (p *pipe) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// drain takes what a script left in its pipes. Where a process that the script left behind keeps one
// open, it waits until that is quiet, and leaves the pipe to a process that discards.
func (s *session) drain(pipes ...*pipe) {
	limit, quiet, seen := time.Now().Add(drainAtEnd), time.Now(), int64(-1)
	for {
		open, total := 0, int64(0)
		for _, p := range pipes {
			total += p.bytes.Load()
			if !p.ended() {
				open++
			}
		}
		if total != seen {
			quiet, seen = time.Now(), total
		}
		if open == 0 || time.Since(quiet) > quietAfter || time.Now().After(limit) {
			break
		}
		waitAny(pipes, 20*time.Millisecond)
	}
	for _, p := range pipes {
		if !p.ended() {
			s.leave(p)
		}
		_ = p.r.Close()
	}
}

// waitAny waits until a pipe that is open ends, at most for limit.
func waitAny(pipes []*pipe, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for _, p := range pipes {
		select {
		case <-p.done:
		case <-timer.C:
			return
		}
	}
}

// leave gives a pipe to a process of its own, which reads and discards until the last writer is gone.
func (s *session) leave(p *pipe) {
	_ = p.r.SetReadDeadline(time.Now())
	waitAny([]*pipe{p}, quietAfter)
	engine, err := enginePath()
	if err == nil {
		cmd := exec.Command(engine, "step", "--drain") //nolint:noctx // it outlives this process
		cmd.Dir, cmd.Env = s.home, []string{}
		cmd.Stdin = p.r
		apart(cmd)
		if err = cmd.Start(); err == nil {
			err = cmd.Process.Release()
		}
	}
	if err != nil {
		s.warn("a process that the script left behind can no longer print: " + err.Error())
	}
}
