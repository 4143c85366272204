package engine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/account"
	"github.com/mantledeploy/mantle/agent/internal/process"
)

// place is where a step is carried out: an engine of its own, or the supervisor of its ticket.
type place interface {
	// start starts the process of the step.
	start(cmd *exec.Cmd) (child, error)
	// startWorker starts a worker, or what starts one.
	startWorker(cmd *exec.Cmd) (child, error)
	// left returns the processes that live on after the step was ended.
	left() []int
	// leave keeps the pipes from breaking that what the script left behind still holds open.
	leave(s *session, p *process.Pipes)
	// folder returns where a script of account a has its files, and what is to be called when it has ended.
	folder(s *session, a *account.Account) (dir string, remove func(), err error)
	// engine is the command line of the engine.
	engine() ([]string, error)
}

// child is a process that was started.
type child interface {
	// exited is closed when it has ended.
	exited() <-chan struct{}
	// over is called when it has ended by itself.
	over() (code int, err error)
	// end ends it and what it has started.
	end() error
	// endRest waits for the end of a worker that was told to end, and ends what has not.
	endRest(ctx context.Context) error
	// release lets go of it.
	release()
}

// supervised is the place of a step that the supervisor carries out.
type supervised struct{ call *process.Call }

func (p supervised) start(cmd *exec.Cmd) (child, error) {
	if err := p.call.Start(cmd); err != nil {
		return nil, err
	}
	return supervisedChild(p), nil
}

func (p supervised) startWorker(cmd *exec.Cmd) (child, error) { return p.start(cmd) }

// left returns none: the supervisor ends them all.
func (supervised) left() []int { return nil }

// leave reads to the end: the supervisor lives as long.
func (p supervised) leave(_ *session, of *process.Pipes) { p.call.Keep(of.Done()) }

func (p supervised) engine() ([]string, error) { return p.call.Engine, nil }

// folder is the ticket's for the account of scripts, and a new one for another user, who cannot reach that. Only the
// account itself has a hand in it.
func (p supervised) folder(_ *session, a *account.Account) (dir string, remove func(), err error) {
	if a == p.call.Account {
		dir = p.call.Dir
		err = account.As(a, func() error {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
			return os.Mkdir(dir, 0o700)
		})
		return dir, func() {}, folderError(err)
	}
	err = account.As(a, func() error {
		dir, err = makeTemp()
		return err
	})
	return dir, func() { _ = account.As(a, func() error { return os.RemoveAll(dir) }) }, err
}

func folderError(err error) error {
	if err != nil {
		return fmt.Errorf("making a folder for the script: %w", err)
	}
	return nil
}

// makeTemp makes a folder for a script.
func makeTemp() (string, error) {
	dir, err := os.MkdirTemp("", "mantle-step-")
	if err != nil { // another user may have another place for such folders
		dir, err = os.MkdirTemp(fallbackTemp, "mantle-step-")
	}
	return dir, folderError(err)
}

type supervisedChild struct{ call *process.Call }

func (c supervisedChild) exited() <-chan struct{} { return c.call.Exited() }

func (c supervisedChild) over() (int, error) { return c.call.Code(), c.call.Over() }

func (c supervisedChild) end() error { return c.call.End() }

func (c supervisedChild) endRest(ctx context.Context) error {
	select {
	case <-c.call.Exited():
	case <-ctx.Done():
	}
	return c.call.EndRest(0)
}

func (supervisedChild) release() {}

// alone is the place of a step that this process was started for.
type alone struct {
	asks time.Duration // between asking a script to end and killing it
}

func (p alone) start(cmd *exec.Cmd) (child, error) {
	process.AdoptOrphans()
	g, err := startGroup(cmd)
	if err != nil {
		return nil, err
	}
	return newChild(cmd, g, p.asks), nil
}

// left returns what has made a group of its own, which may be meant to stay.
func (alone) left() []int { return process.Descendants() }

func (alone) startWorker(cmd *exec.Cmd) (child, error) {
	if err := process.StartBare(cmd); err != nil {
		return nil, err
	}
	return newChild(cmd, nil, 0), nil
}

func (alone) folder(s *session, _ *account.Account) (string, func(), error) {
	return s.work, func() {}, nil
}

func (alone) engine() ([]string, error) {
	path, err := enginePath()
	return []string{path, "step"}, err
}

// leave gives the pipes that are still open to one process, which reads and discards until their last writers are gone. It gets
// the second one in the place of its output, as that goes to every system's processes.
func (alone) leave(s *session, p *process.Pipes) {
	open := p.Stop(quietAfter)
	if len(open) == 0 {
		return
	}
	if err := startDrain(s, open); err != nil {
		s.warn("a process that the script left behind can no longer print: " + err.Error())
	}
	for _, end := range open {
		_ = end.Close()
	}
}

func startDrain(s *session, open []*os.File) error {
	engine, err := enginePath()
	if err != nil {
		return err
	}
	cmd := exec.Command(engine, "step", "--drain") //nolint:noctx // it outlives this process
	cmd.Dir, cmd.Env = s.home, []string{}
	cmd.Stdin = open[0]
	if len(open) > 1 {
		cmd.Stdout = open[1]
	}
	apart(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release()
}

// ownChild is a process that this one has started and waits for.
type ownChild struct {
	group *group // nil for a worker, which ends by itself
	cmd   *exec.Cmd
	asks  time.Duration
	done  chan struct{}
	err   error
}

func newChild(cmd *exec.Cmd, g *group, asks time.Duration) *ownChild {
	c := &ownChild{group: g, cmd: cmd, asks: asks, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.err = ignoreExit(cmd.Wait())
	}()
	return c
}

func (c *ownChild) exited() <-chan struct{} { return c.done }

func (c *ownChild) over() (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	return exitCode(c.cmd.ProcessState), nil
}

func (c *ownChild) end() error {
	c.group.ask()
	gone := waited(c.done, c.asks)
	c.group.kill() // What is left of the group too.
	if !gone && !waited(c.done, killGrace) {
		return fmt.Errorf("ending the script, process %d: it does not die", c.group.pid)
	}
	return nil
}

func (c *ownChild) endRest(context.Context) error { return nil }

func (c *ownChild) release() {
	if c.group != nil {
		c.group.release()
	}
}
