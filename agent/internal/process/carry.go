package process

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/account"
	"github.com/mantledeploy/mantle/agent/internal/process/output"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// Step carries out a step of Mantle's in the supervisor's own process. It starts at most one process, by Call.Start.
// When ctx ends, with ErrCancelled as its cause, it ends that process and comes to its own end.
type Step func(ctx context.Context, c *Call) Ending

// ErrCancelled is the cause for which the context of a Step ends.
var ErrCancelled = errors.New("the step was cancelled")

// errAbandoned says that processes of a step live on although they were killed.
var errAbandoned = errors.New("ending the script: some of its processes do not die")

// Ending is how a step ended.
type Ending struct {
	Code int
	// Cancelled says that it was the cancel that ended it.
	Cancelled bool
}

// Call is a step that a supervisor carries out.
type Call struct {
	Content
	// Operator is who had the step started, by the SHA-256 thumbprint of the certificate. Empty is nobody in particular.
	Operator string
	// Dir is the folder of the script. It may not exist yet.
	Dir string
	// Account is the one that scripts run as; nil is this process's own.
	Account *account.Account
	// Env is the environment of scripts, without what the step adds to it.
	Env []string
	// Engine is the command line of this program's engine.
	Engine []string
	// Stdout and Stderr number what is written to them. They never fail.
	Stdout, Stderr io.Writer

	s *supervision
}

// carry has the step of a ticket carried out and returns its result.
func (s *supervision) carry() Result {
	call, err := s.openCall()
	if err != nil {
		return s.stillborn(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	done := make(chan Ending, 1)
	go func() { done <- s.step(ctx, call) }()
	poll, stop := cancelPoll()
	defer stop()
	var patience <-chan time.Time
	for {
		select {
		case e := <-done:
			return s.concluded(e)
		case <-patience:
			return s.abandoned([]int{os.Getpid()})
		case <-s.wake:
		case <-poll:
		}
		if patience == nil && Marked(s.dir, CancelFile) {
			cancel(ErrCancelled)
			patience = time.After(2 * (s.spec.Grace + s.spec.Abandon + s.spec.Drain)) // the step ends its script within one of each
		}
	}
}

// openCall takes what the daemon left for the step.
func (s *supervision) openCall() (*Call, error) {
	if s.step == nil {
		return nil, errors.New("this program carries out no steps")
	}
	a, err := s.account()
	if err != nil {
		return nil, err
	}
	c := &Call{Operator: s.operator, Dir: s.spec.Dir, Account: a, Engine: append([]string{s.spec.Path}, s.spec.Args...), s: s}
	if s.spec.Call {
		c.Content, err = takeContent(s.dir)
	} else {
		c.Content, err = s.spec.takeSealed(a)
		s.spec.Env, c.Engine = nil, []string{s.spec.Path, "step"}
	}
	if err != nil {
		return nil, err
	}
	c.Env = scriptEnv(s.spec)
	if !a.IsSelf() {
		c.Env = a.Environment(c.Env)
	}
	s.openStreams()
	c.Stdout, c.Stderr = s.told(0), s.told(1)
	return c, nil
}

// concluded is the result of a step that came to its end. What it started may hold the output still.
func (s *supervision) concluded(e Ending) Result {
	go func() {
		for _, done := range s.kept {
			<-done
		}
		close(s.drained)
	}()
	switch {
	case s.left != nil:
		return s.abandoned(s.left)
	case e.Cancelled:
		return Result{ExitCode: tentacle.ExitCanceled}
	}
	return Result{ExitCode: int32(e.Code)} // #nosec G115 -- an exit code
}

// abandoned is the result where processes could not be ended.
func (s *supervision) abandoned(left []int) Result {
	return Result{ExitCode: tentacle.ExitAbandoned, Line: tentacle.Abandoned(bounded(left)), Source: output.StdErr}
}

// told is a stream of output that the daemon is told of.
type told struct {
	s  *supervision
	mu sync.Mutex
	to *output.Stream
}

// openStreams begins the output of the script.
func (s *supervision) openStreams() {
	s.streams = [2]*output.Stream{output.NewStream(s.writer, output.StdOut), output.NewStream(s.writer, output.StdErr)}
}

func (s *supervision) told(stream int) *told { return &told{s: s, to: s.streams[stream]} }

func (t *told) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, err := t.to.Write(p)
	t.s.daemon.tell(noteOutput)
	return n, err
}

// Start starts the process of the step as the leader of a process group, without any of this process's capabilities. cmd
// is prepared by Become where it is to run as another account.
func (c *Call) Start(cmd *exec.Cmd) error {
	s := c.s
	if s.group != nil {
		return errors.New("a step has one process")
	}
	group, err := startGroup(cmd, Spec{})
	if err != nil {
		return err
	}
	s.group = group
	go await(cmd, s.hasExited)
	return nil
}

// Exited is closed when the process that was started has ended by itself or was ended.
func (c *Call) Exited() <-chan struct{} { return c.s.exited }

// Code is the exit code of the process that has exited.
func (c *Call) Code() int { return int(c.s.status) }

// Keep makes the supervisor live until done is closed, after the step has ended.
func (c *Call) Keep(done <-chan struct{}) { c.s.kept = append(c.s.kept, done) }

// End asks the process that was started, and all that it started, to end, each of them once, and kills what has not
// ended after the grace of a cancel. An error says that even then something lives.
func (c *Call) End() error {
	c.s.group.terminate()
	return c.EndRest(c.s.spec.Grace)
}

// EndRest waits for the end of all processes, and kills those that live when patience is over.
func (c *Call) EndRest(patience time.Duration) error {
	s := c.s
	if patience > 0 && s.gone(patience, func() {}) || s.gone(s.spec.Abandon, s.group.kill) {
		return nil
	}
	s.left = s.group.survivors()
	return errAbandoned
}

// Over is called when the process has ended by itself. If the system or an administrator killed it (SIGKILL), what it
// was about to do goes with it: the other processes of its group, which nobody would wait for any more.
func (c *Call) Over() error {
	s := c.s
	if !s.killed {
		return nil
	}
	deadline := time.Now().Add(s.spec.Abandon)
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		left := s.group.killLeft()
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			s.left = left
			return errAbandoned
		}
		time.Sleep(pause) //nolint:forbidigo // a group tells nobody of its end
	}
}

// hasExited takes note of the end of the process that was started.
func (s *supervision) hasExited(status int32, killed bool) {
	s.status, s.killed = status, killed
	close(s.exited)
}

// account is the one that scripts run as; nil is this process's own. It is asked for anew for each script, so that it is
// the one of now.
func (s *supervision) account() (*account.Account, error) {
	if s.spec.User == "" {
		return nil, nil //nolint:nilnil // no other account
	}
	a, err := LookupAccount(s.spec.User)
	if err == nil {
		err = MayBecome(a)
	}
	if err != nil {
		return nil, scriptUserError(s.spec.User, err)
	}
	return a, nil
}
