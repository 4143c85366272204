package process

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// What a supervisor tells a living daemon, a byte each.
const (
	noteClaimed = 'c'
	noteOutput  = 'o'
	noteResult  = 'r'
	noteFailed  = 'x' // and then, in words, why it could not claim the ticket
)

// noteGo is what the daemon tells a supervisor that it holds.
const noteGo = 'g'

// maxReason bounds those words, in bytes; a pipe takes so many in one piece.
const maxReason = 1024

// notifyVariable says to a supervisor that it inherited a pipe to its daemon (notifyPipe), and with it a second one by which the
// daemon lets it go on (notifyHeld). It is not passed to the script.
const (
	notifyVariable = "MANTLE_SUPERVISOR_NOTIFY"
	notifyPipe     = "1"
	notifyHeld     = "2"
)

// markVariable is something random in the environment of a supervisor and of its script. It tells them from others which have got
// the number of their session since.
const markVariable = "TentacleScriptMark"

// Supervisor is a supervisor that this process launched. Its methods are safe for concurrent use.
type Supervisor struct {
	cmd      *exec.Cmd
	pipe     *os.File // nil where there are no such pipes
	gate     *os.File // of a supervisor that is held
	notes    chan struct{}
	claimed  atomic.Bool
	finished atomic.Bool
	silent   atomic.Bool
	released atomic.Bool
	reason   atomic.Pointer[string]
	reap     sync.Once
}

// Launch starts a supervisor for the ticket of folder dir: argv and, as its last argument, dir. Its
// environment, and the script's, is that of the calling process with env added. It fails when the process
// cannot be started; whether the ticket was begun is told by Look alone.
func Launch(argv []string, dir string, env []string) (*Supervisor, error) {
	return launchSupervisor(argv, dir, env, false)
}

// LaunchHeld is Launch, where CanHold says that there is such a thing, but the supervisor looks at nothing before Go is called. It
// ends without having done anything if the ticket is dropped, or its daemon ends.
func LaunchHeld(argv []string, dir string, env []string) (*Supervisor, error) {
	return launchSupervisor(argv, dir, env, true)
}

func launchSupervisor(argv []string, dir string, env []string, held bool) (*Supervisor, error) {
	if err := makeClaim(dir); err != nil {
		return nil, fmt.Errorf("starting a supervisor: %w", err)
	}
	args := append(slices.Clone(argv), dir)
	cmd := exec.Command(args[0], args[1:]...) //nolint:noctx,gosec // this program itself, as its main says; it outlives its daemon
	cmd.Dir = rootOf(dir)
	cmd.Env = append(append(os.Environ(), env...), markVariable+"="+rand.Text())
	s := &Supervisor{cmd: cmd, notes: make(chan struct{}, 1)}
	err := s.prepare(held)
	if err == nil {
		err = cmd.Start()
	}
	for _, theirs := range cmd.ExtraFiles {
		_ = theirs.Close()
	}
	if err != nil {
		for _, ours := range []*os.File{s.pipe, s.gate} {
			_ = ours.Close() // nil is well
		}
		return nil, fmt.Errorf("starting a supervisor: %w", err)
	}
	go s.listen()
	return s, nil
}

// makeClaim makes the file that supervisors lock. It holds nothing, so that it need not be on the disk before.
func makeClaim(dir string) error {
	file, err := os.OpenFile(filepath.Join(dir, ClaimFile), os.O_RDWR|os.O_CREATE, 0o600) // #nosec G304 -- a file of the ticket's own folder
	if err != nil {
		return err
	}
	return file.Close()
}

// listen reads what the supervisor tells until it exits, and takes its exit status from the system.
func (s *Supervisor) listen() {
	defer close(s.notes)
	if s.pipe != nil {
		buf := make([]byte, 4096)
		for {
			n, err := s.pipe.Read(buf)
			s.hear(buf[:n])
			s.poke()
			if err != nil {
				break
			}
		}
		_ = s.pipe.Close()
		if s.released.Load() {
			go s.wait() // as long as it takes
			return
		}
		s.silent.Store(true)
		s.poke()
	}
	s.wait()
}

func (s *Supervisor) hear(notes []byte) {
	for i, note := range notes {
		switch note {
		case noteClaimed:
			s.claimed.Store(true)
		case noteResult:
			s.finished.Store(true)
		case noteFailed:
			reason := strings.ToValidUTF8(string(notes[i+1:]), "\ufffd")
			s.reason.CompareAndSwap(nil, &reason)
			return
		}
	}
}

func (s *Supervisor) wait() { s.reap.Do(func() { _ = s.cmd.Wait() }) }

func (s *Supervisor) poke() {
	select {
	case s.notes <- struct{}{}:
	default:
	}
}

// Notes receives when there may be something new, and is closed when the supervisor has exited or was
// released.
func (s *Supervisor) Notes() <-chan struct{} { return s.notes }

// Claimed says that the supervisor has told that the ticket is its own. False says nothing.
func (s *Supervisor) Claimed() bool { return s.claimed.Load() }

// Finished says that the supervisor has told that there is a result. False says nothing.
func (s *Supervisor) Finished() bool { return s.finished.Load() }

// Silent says that the supervisor tells nothing any more: there is a result, or it ends. Look says which.
func (s *Supervisor) Silent() bool { return s.silent.Load() }

// Reason says why the supervisor could not claim the ticket, if it told that before it exited.
func (s *Supervisor) Reason() string {
	if reason := s.reason.Load(); reason != nil {
		return *reason
	}
	return ""
}

// Polled says that this system has no way for a supervisor to tell anything: Look is to be called instead,
// every now and then.
func (s *Supervisor) Polled() bool { return s.pipe == nil }

// Go lets a supervisor go on that was held.
func (s *Supervisor) Go() {
	_, _ = s.gate.Write([]byte{noteGo}) // one that has ended is heard of
	_ = s.gate.Close()
}

// Drop has a supervisor end that was held.
func (s *Supervisor) Drop() { _ = s.gate.Close() }

// Release stops listening. The supervisor and its script go on.
func (s *Supervisor) Release() {
	s.released.Store(true)
	if s.pipe != nil {
		_ = s.pipe.Close()
	}
}

// scriptEnv is the environment of a script: the supervisor's without what was meant for the supervisor, the folder as
// shells tell it, and what the script has of its own.
func scriptEnv(spec Spec) []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, notifyVariable+"=") })
	return append(append(env, "PWD="+spec.Dir), spec.Env...)
}
