package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/account"
	"github.com/mantledeploy/mantle/agent/internal/process"
)

// How long is waited for a script that is being ended, and for output after its end.
const (
	askGrace   = 5 * time.Second  // between asking a script to end and killing it
	killGrace  = 5 * time.Second  // for a killed process to be gone
	quietAfter = 2 * time.Second  // without output after the script's own end
	drainAtEnd = 10 * time.Second // at most, after the script's own end
	drainStep  = 20 * time.Millisecond
)

// start runs a script until it ends by itself, ctx ends, or it cannot be ended. Its output goes to the session's. An error
// means that there is no exit code. Its pipes are ones that account a may open by their names, too.
func (s *session) start(ctx context.Context, cmd *exec.Cmd, a *account.Account) (int, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	pipes, err := process.NewPipes(a)
	if err != nil {
		return 0, err
	}
	pipes.Attach(cmd)
	c, err := s.place.start(cmd)
	if err != nil {
		pipes.Close()
		return 0, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	pipes.CloseWriters()
	defer c.release()
	go pipes.Read([2]io.Writer{s.out.stdout, s.out.stderr}, func(int) {})
	code, err := wait(ctx, c)
	if ctx.Err() != nil {
		s.tellLeft()
	}
	s.drain(pipes)
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

// maxTold is how many processes are named.
const maxTold = 10

// tellLeft warns of processes that go on although their step was ended.
func (s *session) tellLeft() {
	left := s.place.left()
	if len(left) == 0 {
		return
	}
	numbers := strings.Trim(fmt.Sprint(left[:min(len(left), maxTold)]), "[]")
	s.warn("processes of the step go on, as they have left its process group: " + numbers)
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

// drain takes what a script left in its pipes. Where a process that the script left behind keeps one
// open, it waits until that is quiet, and leaves the pipe to what discards.
func (s *session) drain(pipes *process.Pipes) {
	limit, quiet, seen := time.Now().Add(drainAtEnd), time.Now(), int64(-1)
	for !waited(pipes.Done(), drainStep) {
		if total := pipes.Received(); total != seen {
			quiet, seen = time.Now(), total
		}
		if time.Since(quiet) > quietAfter || time.Now().After(limit) {
			s.place.leave(s, pipes)
			return
		}
	}
}
