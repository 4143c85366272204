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

	"github.com/mantledeploy/mantle/agent/internal/account"
)

// How long is waited for a script that is being ended, and for output after its end.
const (
	askGrace   = 5 * time.Second  // between asking a script to end and killing it
	killGrace  = 5 * time.Second  // for a killed process to be gone
	quietAfter = 2 * time.Second  // without output after the script's own end
	drainAtEnd = 10 * time.Second // at most, after the script's own end
)

// start runs a script until it ends by itself, ctx ends, or it cannot be ended. Its output goes to the session's. An error
// means that there is no exit code. Its pipes are ones that account a may open by their names, too.
func (s *session) start(ctx context.Context, cmd *exec.Cmd, a *account.Account) (int, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	var pipes [2]*pipe
	err := account.As(a, func() (err error) {
		for i, to := range []io.Writer{s.out.stdout, s.out.stderr} {
			if pipes[i], err = newPipe(to); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	cmd.Stdout, cmd.Stderr = pipes[0].w, pipes[1].w
	c, err := s.place.start(cmd)
	_, _ = pipes[0].w.Close(), pipes[1].w.Close()
	if err != nil {
		_, _ = pipes[0].r.Close(), pipes[1].r.Close()
		return 0, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	defer c.release()
	pipes[0].copy()
	pipes[1].copy()
	code, err := wait(ctx, c)
	s.drain(pipes[:]...)
	return code, err
}

// wait waits for the end of a script. When ctx ends it ends the script, with all that it has started.
func wait(ctx context.Context, c child) (int, error) {
	select {
	case <-c.exited():
		return c.over()
	case <-ctx.Done():
	}
	if err := c.end(); err != nil {
		return 0, err
	}
	return 0, context.Cause(ctx)
}

func waited(ended <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ended:
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
// open, it waits until that is quiet, and leaves the pipe to what discards.
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
	var left []*pipe
	for _, p := range pipes {
		if p.ended() {
			_ = p.r.Close()
		} else {
			left = append(left, p)
		}
	}
	if len(left) > 0 {
		s.place.leave(s, left)
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
