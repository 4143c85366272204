package process

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"time"

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
	dir     string
	spec    Spec
	daemon  notifier
	wake    <-chan os.Signal // look for a cancel
	writer  *output.Writer
	streams [2]*output.Stream

	group   processes
	exited  chan struct{} // closed when the script itself has ended; status is set before
	status  int32
	drained chan struct{} // closed when nobody holds the output any more
}

// processes are all that belong to a script: a session, or on Windows a Job.
type processes interface {
	terminate()       // asks them to end
	kill()            // ends them, as far as the system can
	survivors() []int // the ids of those that live
}

// Supervise runs the script of the ticket whose folder is dir: `tentacle supervise DIR`. It returns when the
// script has ended and nobody holds its output any more, or at once where the ticket is somebody else's
// (exit status 3). It needs a process of its own, as it becomes the leader of a session.
func Supervise(dir string) int {
	wake := make(chan os.Signal, 4)
	signal.Notify(wake, wakeSignals()...)
	daemon := inheritNotifier()
	closeInherited()
	if err := ownSession(); err != nil {
		return exitUnclaimed
	}
	spec, err := readSpec(dir)
	if err != nil {
		return exitUnclaimed
	}
	lock, err := lockClaim(filepath.Join(dir, ClaimFile))
	if err != nil {
		return exitUnclaimed
	}
	writer, err := output.OpenWriter(dir, spec.Output)
	if err != nil {
		return exitUnclaimed
	}
	result, err := allocate(dir)
	if err != nil {
		return exitUnclaimed
	}
	me := Started{Version: Version, Boot: bootID(), Process: os.Getpid(), StartTime: startTime(os.Getpid())}
	if err := begin(dir, me); err != nil {
		return exitUnclaimed
	}
	daemon.tell(noteClaimed)
	s := &supervision{
		dir: dir, spec: spec, daemon: daemon, wake: wake, writer: writer,
		exited: make(chan struct{}), drained: make(chan struct{}),
	}
	s.finish(result, s.run())
	_ = lock.Close() // gives the lock back; the result is there
	s.drain()
	return exitDone
}

func readSpec(dir string) (Spec, error) {
	var command struct {
		Version int  `json:"version"`
		Process Spec `json:"process"`
	}
	found, err := ReadState(dir, CommandFile, &command)
	if err == nil && (!found || command.Version > Version || command.Process.Path == "") {
		err = fmt.Errorf("reading %s: not understood", CommandFile)
	}
	return command.Process, err
}

// run carries the script from start to end and returns its result.
func (s *supervision) run() Result {
	if Marked(s.dir, CancelFile) {
		return Result{ExitCode: tentacle.ExitCanceled, Line: "The script was cancelled before it began.", Source: output.StdErr}
	}
	if err := s.start(); err != nil {
		close(s.exited)
		close(s.drained)
		return Result{ExitCode: tentacle.ExitLaunchFailed, Line: fmt.Sprintf("The script could not be started: %s", err), Source: output.StdErr}
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
	cmd := &exec.Cmd{Path: s.spec.Path, Args: append([]string{s.spec.Path}, s.spec.Args...), Dir: s.spec.Dir, Env: scriptEnv()}
	inherited, err := s.startWorker(cmd)
	if err != nil {
		return err
	}
	readers, writers, err := s.become(cmd)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = writers[0], writers[1]
	group, err := startGroup(cmd, s.spec)
	for _, w := range append(inherited, writers[:]...) {
		_ = w.Close() // the script has its own
	}
	if err != nil {
		return err
	}
	s.group = group
	s.streams = [2]*output.Stream{output.NewStream(s.writer, output.StdOut), output.NewStream(s.writer, output.StdErr)}
	var reading sync.WaitGroup
	for i, r := range readers {
		reading.Go(func() { s.copy(s.streams[i], r) })
	}
	go func() {
		reading.Wait()
		close(s.drained)
	}()
	go func() {
		_ = cmd.Wait() // its error says no more than the state
		s.status = exitStatus(cmd.ProcessState)
		close(s.exited)
	}()
	return nil
}

// copy takes output until its end. When the ticket has finished, the writer discards it.
func (s *supervision) copy(to *output.Stream, from *os.File) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			_, _ = to.Write(buf[:n]) // never fails
			s.daemon.tell(noteOutput)
		}
		if err != nil {
			to.Close()
			return
		}
	}
}

// ended waits for the rest of the output of a script that ended by itself. Others may hold it without end:
// then the ticket finishes all the same, and they are left alone.
func (s *supervision) ended() Result {
	timer := time.NewTimer(s.spec.Drain)
	defer timer.Stop()
	poll, stop := cancelPoll()
	defer stop()
	for {
		select {
		case <-s.drained:
			return Result{ExitCode: s.status}
		case <-timer.C:
			return Result{ExitCode: s.status}
		case <-s.wake:
		case <-poll:
		}
		if Marked(s.dir, CancelFile) { // too late to end it, but nobody waits for its output any more
			return Result{ExitCode: s.status}
		}
	}
}

// cancel ends the script and all that it started in its session.
func (s *supervision) cancel() Result {
	s.group.terminate()
	if !s.gone(s.spec.Grace, func() {}) && !s.gone(s.spec.Abandon, s.group.kill) {
		return Result{
			ExitCode: tentacle.ExitAbandoned, Source: output.StdErr,
			Line: fmt.Sprintf("Abandoned: the script was cancelled, but these of its processes could not be ended: %v", bounded(s.group.survivors())),
		}
	}
	select {
	case <-s.drained:
	case <-time.After(s.spec.Drain):
	}
	return Result{ExitCode: tentacle.ExitCanceled}
}

// gone waits until no process is left, at most for patience, and calls push again and again.
func (s *supervision) gone(patience time.Duration, push func()) bool {
	deadline := time.Now().Add(patience)
	pause := 2 * time.Millisecond
	for {
		push()
		select {
		case <-s.exited:
			if len(s.group.survivors()) == 0 {
				return true
			}
			time.Sleep(pause) //nolint:forbidigo // a group tells nobody of its end
		case <-time.After(pause):
		}
		if time.Now().After(deadline) {
			return false
		}
		pause = min(2*pause, 50*time.Millisecond)
	}
}

// finish writes the result into the file that was allocated for it and gives that its name.
func (s *supervision) finish(file *os.File, result Result) {
	for _, stream := range s.streams {
		if stream != nil {
			stream.Close() // a line without an end
		}
	}
	s.writer.Close()
	result.Version, result.Entries, result.Ended = Version, s.writer.Last(), time.Now().UTC()
	data, err := json.Marshal(result)
	if err == nil {
		err = fill(file, append(data, '\n'))
	}
	if err == nil {
		err = os.Rename(file.Name(), filepath.Join(s.dir, ResultFile))
	}
	if err == nil {
		s.daemon.tell(noteResult)
	} // else the ticket is Lost, which is what can be told of it
}

// drain stays as long as somebody holds the output, so that writing does not break what the script left
// running.
func (s *supervision) drain() {
	select {
	case <-s.exited:
		<-s.drained
	default: // abandoned, or never begun
	}
}

const resultSize = 4096

// allocate makes the file of the result, with room for it, so that a full disk does not lose an exit code.
func allocate(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, "."+ResultFile+".new"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) // #nosec G304 -- a file of the ticket's own folder
	if err != nil {
		return nil, err
	}
	return file, reserve(file, resultSize)
}

func fill(file *os.File, data []byte) error {
	if len(data) > resultSize {
		return fmt.Errorf("writing a result: %d bytes are too many", len(data))
	}
	if _, err := file.WriteAt(data, 0); err != nil {
		return err
	}
	if err := file.Truncate(int64(len(data))); err != nil {
		return err
	}
	return file.Close()
}

// bounded cuts a list of process ids to what fits into a result.
func bounded(ids []int) []int { return ids[:min(len(ids), 100)] }
