package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/mantledeploy/mantle/agent/internal/account"
)

const (
	claimPatience = 5 * time.Second
	claimPause    = 10 * time.Millisecond
	cancelPause   = 100 * time.Millisecond
)

// errHeld is what lockClaim returns when another supervisor holds the claim.
var errHeld = errors.New("held by another process")

// lockClaim takes the lock of a ticket. Who only looks at it holds it for a moment, so it tries again.
func lockClaim(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0) // #nosec G304 -- a file of the ticket's own folder
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(claimPatience)
	for {
		err = lockFile(file)
		if err == nil {
			return file, nil
		}
		held := errors.Is(err, windows.ERROR_LOCK_VIOLATION)
		if held && time.Now().After(deadline) {
			err, held = errHeld, false
		}
		if !held {
			return nil, errors.Join(err, file.Close())
		}
		time.Sleep(claimPause)
	}
}

func lockFile(file *os.File) error {
	return windows.LockFileEx(windows.Handle(file.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{})
}

func claimHeld(path string) (bool, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0) // #nosec G304 -- a file of the ticket's own folder
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close() //nolint:errcheck // closing gives the lock back
	err = lockFile(file)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return true, nil
	}
	return false, err
}

// SyncDir does nothing: Windows keeps names durable by itself and cannot sync a folder.
func SyncDir(string) error { return nil }

// rootOf is a working folder that no one minds being in use.
func rootOf(dir string) string { return filepath.VolumeName(dir) + string(filepath.Separator) }

// prepare gives the supervisor a console of its own, which nobody sees, and takes it out of the daemon's Job.
// There is no pipe: Windows inherits handles in another way.
func (s *Supervisor) prepare(bool) error {
	s.cmd.SysProcAttr = &syscall.SysProcAttr{HideWindow: true, CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.CREATE_NO_WINDOW | breakaway()}
	return nil
}

// CanHold says whether LaunchHeld holds a supervisor on this system.
const CanHold = false

func inheritGate() (pass func() bool) { return func() bool { return true } }

// breakaway is the flag that starts a process outside the Job of this one, or 0 where that is not in a Job or
// its Job does not allow it: to ask all the same would start nothing.
func breakaway() uint32 {
	var limits windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	err := windows.QueryInformationJobObject(0, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits)), nil) // #nosec G103 -- how Windows is asked
	if err != nil || limits.BasicLimitInformation.LimitFlags&windows.JOB_OBJECT_LIMIT_BREAKAWAY_OK == 0 {
		return 0
	}
	return windows.CREATE_BREAKAWAY_FROM_JOB
}

type notifier struct{}

func inheritNotifier() *notifier { return &notifier{} }

// closeInherited does nothing: Windows passes on only the handles that are named.
func closeInherited() {}

func (*notifier) tell(byte) {}

func (*notifier) close() {}

func (*notifier) fail(error) {}

func (*notifier) gone() bool { return false }

func wakeSignals() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }

func cancelPoll() (<-chan time.Time, func()) {
	ticker := time.NewTicker(cancelPause)
	return ticker.C, ticker.Stop
}

func ownSession() error { return nil }

// Wake does nothing: a supervisor looks for a cancel by itself.
func Wake(string) error { return nil }

// group is the Job of a script. leader is its process, and the number of its console's process group.
type group struct {
	job     windows.Handle
	process windows.Handle
	leader  uint32
}

// startGroup starts the script suspended, puts it into a Job and lets it go, so that nothing it starts can
// be outside. Only the supervisor has a handle of the Job, which ends with it until release is called.
func startGroup(cmd *exec.Cmd, spec Spec) (group, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return group{}, fmt.Errorf("making a job: %w", err)
	}
	if err := limitJob(job, windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE); err != nil {
		return group{}, errors.Join(fmt.Errorf("making a job that ends with its supervisor: %w", err), windows.CloseHandle(job))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: spec.CommandLine, HideWindow: true, CreationFlags: windows.CREATE_SUSPENDED | windows.CREATE_NEW_PROCESS_GROUP}
	if err := cmd.Start(); err != nil {
		return group{}, errors.Join(err, windows.CloseHandle(job))
	}
	g := group{job: job, leader: uint32(cmd.Process.Pid)} // #nosec G115 -- as Windows gave it
	if err := g.adopt(g.leader); err != nil {
		return group{}, errors.Join(err, cmd.Process.Kill())
	}
	return g, nil
}

func limitJob(job windows.Handle, flags uint32) error {
	var limits windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	limits.BasicLimitInformation.LimitFlags = flags
	_, err := windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits))) // #nosec G103 -- how Windows is told
	return err
}

// release lets what is left of the script go on when this process ends.
func (g group) release() { _ = limitJob(g.job, 0) }

func (g *group) adopt(pid uint32) error {
	const access = windows.PROCESS_SET_QUOTA | windows.PROCESS_TERMINATE | windows.PROCESS_SUSPEND_RESUME | windows.PROCESS_QUERY_LIMITED_INFORMATION
	process, err := windows.OpenProcess(access, false, pid)
	if err != nil {
		return fmt.Errorf("opening the script's process: %w", err)
	}
	g.process = process
	if err := windows.AssignProcessToJobObject(g.job, process); err != nil {
		return fmt.Errorf("putting the script into a job: %w", err)
	}
	resume := windows.NewLazySystemDLL("ntdll.dll").NewProc("NtResumeProcess")
	if status, _, _ := resume.Call(uintptr(process)); status != 0 {
		return fmt.Errorf("letting the script go: status %#x", status)
	}
	return nil
}

// terminate asks all to end that are in the script's process group and have its console: CTRL+BREAK, as
// CTRL+C is ignored by such a group. Where that cannot be sent nobody was asked, and the Job is ended at once.
func (g group) terminate() {
	if windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, g.leader) != nil {
		g.kill()
	}
}

func (g group) kill() { _ = windows.TerminateJobObject(g.job, 1) }

// survivors returns the processes of the Job, at most 64.
func (g group) survivors() []int {
	var list struct {
		assigned, inList uint32
		ids              [64]uintptr
	}
	err := windows.QueryInformationJobObject(g.job, windows.JobObjectBasicProcessIdList, uintptr(unsafe.Pointer(&list)), uint32(unsafe.Sizeof(list)), nil) // #nosec G103 -- how Windows is asked
	if err != nil && !errors.Is(err, windows.ERROR_MORE_DATA) {
		return nil
	}
	var ids []int
	for _, id := range list.ids[:min(list.inList, 64)] {
		ids = append(ids, int(id)) // #nosec G115 -- process ids are small
	}
	return ids
}

// killLeft does nothing: Windows tells nobody that a process was killed.
func (g group) killLeft() []int { return nil }

// Become changes nothing: on Windows all run as the daemon's account.
func Become(*exec.Cmd, *account.Account) {}

// StartBare starts cmd.
func StartBare(cmd *exec.Cmd) error { return cmd.Start() }

func privileges() error { return fmt.Errorf("%w a way to do so on Windows", ErrPrivilege) }

// await waits for the script and tells its exit status.
func await(cmd *exec.Cmd, ended func(status int32, killed bool)) {
	_ = cmd.Wait()                                   // its error says no more than the state
	ended(int32(cmd.ProcessState.ExitCode()), false) // #nosec G115 -- 32 bits
}

func reserve(file *os.File, size int64) error {
	_, err := file.WriteAt(make([]byte, size), 0)
	return err
}
