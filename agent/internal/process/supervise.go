package process

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"

	"github.com/mantledeploy/mantle/agent/internal/process/output"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// The exit statuses of a supervisor. Nobody depends on them: what happened is told by the ticket's folder.
const (
	exitDone      = 0
	exitUnclaimed = 3
)

// supervision is one script under its supervisor.
type supervision struct {
	dir  string
	spec Spec
	// operator is who had the ticket started.
	operator string
	daemon   *notifier
	wake     <-chan os.Signal // look for a cancel
	lock     *os.File         // held until the result is there
	result   *os.File         // allocated for it
	writer   *output.Writer
	streams  [2]*output.Stream
	step     Step // what carries out steps

	group   processes
	exited  chan struct{} // closed when the script itself has ended; status and killed are set before
	status  int32
	killed  bool              // by SIGKILL
	left    []int             // what could not be killed
	kept    []<-chan struct{} // closed when nobody holds the output of a step any more
	drained chan struct{}     // closed when nobody holds the output any more
}

// processes are all that belong to a script: a session, or on Windows a Job.
type processes interface {
	terminate()       // asks them to end
	kill()            // ends them, as far as the system can
	survivors() []int // the ids of those that live
	killLeft() []int  // kills what is left of the leader's own group, and returns what it found
	release()         // lets them live on without this process
}

// Supervise runs the script of the ticket whose folder is dir: `tentacle supervise DIR`. A step of Mantle's is carried out
// by step, in this process. It returns when the script has ended and nobody holds its output any more, or at once where
// the ticket is somebody else's (exit status 3). It needs a process of its own, as it becomes the leader of a session.
func Supervise(dir string, step Step) int {
	wake := make(chan os.Signal, 4)
	signal.Notify(wake, wakeSignals()...)
	daemon, pass := inheritNotifier(), inheritGate()
	closeInherited()
	if !pass() {
		return exitUnclaimed
	}
	s := &supervision{dir: dir, daemon: daemon, wake: wake, step: step, exited: make(chan struct{}), drained: make(chan struct{})}
	claimed, err := s.claim()
	if !claimed {
		if err != nil {
			daemon.fail(err)
		}
		return exitUnclaimed
	}
	daemon.tell(noteClaimed)
	if err != nil {
		s.finish(s.stillborn(err))
	} else {
		s.finish(s.run())
	}
	if s.group != nil {
		s.group.release() // what a script left running is not touched
	}
	_ = s.lock.Close() // gives the lock back; the result is there
	s.drain()
	return exitDone
}

// claim makes the ticket this process's own, or says that it is not. Without a claim an error says why
// nobody could have it from here; with one, why the script must not begin all the same.
func (s *supervision) claim() (claimed bool, err error) {
	if err := ownSession(); err != nil {
		return false, fmt.Errorf("making a session: %w", err)
	}
	if s.spec, s.operator, err = readCommand(s.dir); err != nil {
		return false, err
	}
	s.lock, err = lockClaim(filepath.Join(s.dir, ClaimFile))
	if errors.Is(err, errHeld) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("locking the claim: %w", err)
	}
	if Marked(s.dir, StartedFile) {
		return false, nil // before it makes anything: the folder may be about to go
	}
	if s.writer, err = output.OpenWriter(s.dir, s.spec.Output); err != nil {
		return false, err
	}
	if s.result, err = allocate(s.dir); err != nil {
		return false, fmt.Errorf("making room for the result: %w", err)
	}
	if s.daemon.gone() {
		return false, nil // the next daemon settles the ticket anew, and this one must not be in its way
	}
	me := Started{Version: Version, Boot: bootID(), Process: os.Getpid(), StartTime: startTime(os.Getpid()), Mark: os.Getenv(markVariable)}
	claimed, err = begin(s.dir, me, s.spec.Boot == "" || s.spec.Boot != me.Boot)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		err = fmt.Errorf("claiming the script: %w", err)
	}
	return claimed, err
}

// stillborn is the result of a script that was claimed and cannot be begun.
func (s *supervision) stillborn(err error) Result {
	close(s.exited)
	close(s.drained)
	return Result{ExitCode: tentacle.ExitLaunchFailed, Line: fmt.Sprintf("The script could not be started: %s", err), Source: output.StdErr}
}

// readCommand reads what a supervisor needs of what the start asked for.
func readCommand(dir string) (spec Spec, operator string, err error) {
	var command struct {
		Version  int    `json:"version"`
		Operator string `json:"operator"`
		Process  Spec   `json:"process"`
	}
	found, err := ReadCommand(dir, &command)
	if err == nil && (!found || command.Version > Version || command.Process.Path == "") {
		err = errors.New("reading what is to be started: not understood")
	}
	return command.Process, command.Operator, err
}

// run carries the script from start to end and returns its result.
func (s *supervision) run() Result {
	if Marked(s.dir, CancelFile) {
		return Result{ExitCode: tentacle.ExitCanceled, Line: "The script was cancelled before it began.", Source: output.StdErr}
	}
	if s.spec.isCall() {
		return s.carry()
	}
	if err := s.start(); err != nil {
		return s.stillborn(err)
	}
	poll, stop := cancelPoll()
	defer stop()
	for {
		select {
		case <-s.exited:
			return s.ended()
		case <-s.wake:
		case <-poll:
		}
		select {
		case <-s.exited: // by itself, before the cancel was seen
			return s.ended()
		default:
		}
		if Marked(s.dir, CancelFile) {
			return s.cancel()
		}
	}
}

func (s *supervision) start() error {
	cmd := &exec.Cmd{Path: s.spec.Path, Args: append([]string{s.spec.Path}, s.spec.Args...), Dir: s.spec.Dir, Env: scriptEnv(s.spec)}
	pipes, err := s.become(cmd)
	if err != nil {
		return err
	}
	pipes.Attach(cmd)
	group, err := startGroup(cmd, s.spec)
	if err != nil {
		pipes.Close()
		return err
	}
	pipes.CloseWriters() // the script has its own
	s.group = group
	s.openStreams()
	go func() {
		defer close(s.drained)
		pipes.Read([2]io.Writer{s.told(0), s.told(1)}, func(i int) { s.streams[i].Close() })
	}()
	go await(cmd, s.hasExited)
	return nil
}
