//go:build unix

package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// notifyDescriptor is the first inherited one behind the standard streams.
const notifyDescriptor = 3

// gateDescriptor is the one behind it, where the supervisor is held.
const gateDescriptor = 4

// CanHold says whether LaunchHeld holds a supervisor on this system.
const CanHold = true

// prepare gives the supervisor a session of its own and its pipes.
func (s *Supervisor) prepare(held bool) error {
	ours, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	s.pipe, s.cmd.ExtraFiles = ours, []*os.File{theirs}
	notify := notifyPipe
	if held {
		theirs, ours, err := os.Pipe()
		if err != nil {
			return err
		}
		s.gate, s.cmd.ExtraFiles, notify = ours, append(s.cmd.ExtraFiles, theirs), notifyHeld
	}
	s.cmd.Env = append(s.cmd.Env, notifyVariable+"="+notify)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return nil
}

// isPipe says whether an inherited descriptor is a pipe.
func isPipe(fd int) bool {
	var stat unix.Stat_t
	return unix.Fstat(fd, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFIFO
}

// inheritGate keeps the pipe of a supervisor that is held, and returns what waits until its daemon lets it go on. That says
// false where the daemon has ended, or wants nothing of it any more.
func inheritGate() (pass func() bool) {
	if os.Getenv(notifyVariable) != notifyHeld {
		return func() bool { return true }
	}
	if !isPipe(gateDescriptor) {
		return func() bool { return false }
	}
	unix.CloseOnExec(gateDescriptor)
	return func() bool {
		gate := os.NewFile(gateDescriptor, "gate")
		defer gate.Close()
		n, _ := gate.Read(make([]byte, 1)) // an error is an end
		return n == 1
	}
}

// notifier tells the daemon that launched this supervisor, if it still lives.
type notifier struct {
	mu   sync.Mutex
	open bool // the descriptor is the pipe
}

func inheritNotifier() *notifier {
	if os.Getenv(notifyVariable) == "" || !isPipe(notifyDescriptor) {
		return &notifier{}
	}
	unix.CloseOnExec(notifyDescriptor)
	return &notifier{open: unix.SetNonblock(notifyDescriptor, true) == nil}
}

// closeInherited closes what this process was given beside its standard streams and the notifier: a pipe of
// whoever started the daemon would otherwise stay open as long as any script runs. All that this process
// opens itself is closed by exec, which is how the two are told apart.
func closeInherited() {
	dir, err := os.Open("/dev/fd")
	if err != nil {
		return
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return
	}
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil || fd <= 2 {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 { // #nosec G115 -- descriptors are small
			_ = unix.Close(fd)
		}
	}
}

// tell never waits: if the pipe is full the daemon knows already that there is something new, and if nobody reads it the
// daemon is gone.
func (n *notifier) tell(note byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.open {
		_, _ = unix.Write(notifyDescriptor, []byte{note})
	}
}

// close tells that there will be no more to tell, however full the pipe is.
func (n *notifier) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.open {
		n.open = false
		_ = unix.Close(notifyDescriptor)
	}
}

// fail tells in words why the ticket could not be claimed.
func (n *notifier) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if text := err.Error(); n.open {
		_, _ = unix.Write(notifyDescriptor, append([]byte{noteFailed}, text[:min(len(text), maxReason)]...))
	}
}

// gone says that the daemon that launched this supervisor is known to have ended.
func (n *notifier) gone() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.open {
		return false
	}
	fds := []unix.PollFd{{Fd: notifyDescriptor}}
	_, err := unix.Poll(fds, 0)
	return err == nil && fds[0].Revents&unix.POLLERR != 0
}

// wakeSignals make a supervisor look for a cancel, and do nothing else to it: it outlives what ends a
// daemon. They are caught, not ignored, as the script would inherit that.
func wakeSignals() []os.Signal {
	return []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1}
}

// cancelPoll is how a supervisor without signals looks for a cancel; this one has signals.
func cancelPoll() (<-chan time.Time, func()) { return nil, func() {} }

// ownSession makes sure that this process leads a session, as the whole session is killed by a cancel, and
// that what leaves the session stays below it, where the system can do that.
func ownSession() error {
	AdoptOrphans()
	if sid, err := unix.Getsid(0); err == nil && sid == os.Getpid() {
		return nil
	}
	_, err := syscall.Setsid()
	return err
}

// Wake makes the supervisor of the ticket of folder dir look for a cancel, if there is one that lives.
func Wake(dir string) error {
	started, err := readStarted(dir)
	if err != nil || started == nil || started.Process <= 1 {
		return err // it looks by itself before it starts the script
	}
	p, err := os.FindProcess(started.Process) // which holds it, where the system can, so that its number is not another's
	if err != nil {
		return fmt.Errorf("waking a supervisor: %w", err)
	}
	defer p.Release() //nolint:errcheck // nothing can be done about it
	held, err := claimHeld(filepath.Join(dir, ClaimFile))
	if err != nil || !held {
		return err
	}
	if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("waking a supervisor: %w", err)
	}
	return nil
}

// member is a process of the machine.
type member struct {
	id, parent, session int
	dead                bool // it has ended, and nobody has asked after it
}

// sessionProcesses returns the living processes of a session without this one.
func sessionProcesses(session int) []int {
	var ids []int
	for _, m := range allProcesses() {
		if m.session == session && !m.dead && m.id != os.Getpid() {
			ids = append(ids, m.id)
		}
	}
	return ids
}

// Descendants returns the living processes in the session of this one and all that descend from it, whatever
// session they made for themselves.
func Descendants() []int {
	self := os.Getpid()
	all := allProcesses()
	children := map[int][]member{}
	for _, m := range all {
		children[m.parent] = append(children[m.parent], m)
	}
	seen := map[int]bool{self: true}
	var ids []int
	take := func(m member) {
		if !seen[m.id] {
			seen[m.id] = true
			ids = append(ids, m.id)
		}
	}
	for _, m := range all {
		if m.session == self && !m.dead {
			take(m)
		}
	}
	for next := []int{self}; len(next) > 0; next = next[1:] {
		for _, m := range children[next[0]] {
			if !m.dead && m.id != next[0] {
				take(m)
				next = append(next, m.id)
			}
		}
	}
	return ids
}

// group is a script and all others that belong to this supervisor.
type group struct{ leader int }

func startGroup(cmd *exec.Cmd, _ Spec) (group, error) {
	if err := StartBare(cmd); err != nil {
		return group{}, err
	}
	return group{leader: cmd.Process.Pid}, nil
}

// terminate asks all to end. It is called before the leader was seen to end, so that its number is its own.
func (g group) terminate() {
	_ = syscall.Kill(-g.leader, syscall.SIGTERM)
	for _, pid := range g.survivors() {
		if pgid, err := unix.Getpgid(pid); err == nil && pgid != g.leader {
			_ = syscall.Kill(pid, syscall.SIGTERM)
		}
	}
}

func (g group) kill() {
	for _, pid := range g.survivors() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func (g group) survivors() []int { return Descendants() }

func (g group) killLeft() []int {
	var left []int
	for _, pid := range g.survivors() {
		if pgid, err := unix.Getpgid(pid); err == nil && pgid == g.leader {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			left = append(left, pid)
		}
	}
	return left
}

// release does nothing: what is left of a script does not end with its supervisor.
func (g group) release() {}

// exitStatus is the exit code as a shell tells it: 128 and the signal for what a signal ended.
func exitStatus(status syscall.WaitStatus) int32 {
	if status.Signaled() {
		return 128 + int32(status.Signal()) // #nosec G115 -- signals are small
	}
	return int32(status.ExitStatus()) // #nosec G115 -- eight bits
}

// wasKilled says whether a process was ended by what no process can catch.
func wasKilled(status syscall.WaitStatus) bool {
	return status.Signaled() && status.Signal() == syscall.SIGKILL
}
