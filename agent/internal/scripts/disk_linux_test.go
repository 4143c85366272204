package scripts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// smallDisk names the folder on which a run of a test in its own namespace mounts a small file system.
const smallDisk = "MANTLE_TEST_SMALL_DISK"

// onSmallDisk returns a Store whose home is a file system of 8 MiB. It runs the test once more, in a mount
// namespace of its own, and returns nil in the run that only looks on.
func onSmallDisk(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	if dir := os.Getenv(smallDisk); dir != "" {
		err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
		if err == nil {
			err = syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m")
		}
		if err != nil {
			t.Skipf("no file system can be mounted here: %v", err)
		}
		return newRig(t, append([]func(*Config){func(c *Config) { c.Home = dir }}, change...)...)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v") // #nosec G204 -- this test itself
	cmd.Env = append(os.Environ(), smallDisk+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	text := string(out)
	switch {
	case cmd.Process == nil:
		t.Skipf("this machine allows no mount namespace: %v", err)
	case strings.Contains(text, "--- SKIP"):
		t.Skip(text)
	case err != nil:
		t.Errorf("%v:\n%s", err, text)
	}
	return nil
}

// fill is a command line that takes all room that the disk has.
func (r *rig) fill() string {
	return fmt.Sprintf("dd if=/dev/zero of=%q bs=64k 2>/dev/null; dd if=/dev/zero of=%q bs=1 oflag=append conv=notrunc 2>/dev/null\n", r.inHome("fill"), r.inHome("fill"))
}

func (r *rig) fillNow() {
	r.t.Helper()
	_ = exec.CommandContext(r.t.Context(), "/bin/bash", "-c", r.fill()).Run() // #nosec G204 -- it fails when all is taken
	if free, err := freeBytes(r.cfg.Home); err != nil || free != 0 {
		r.t.Fatalf("%d bytes are free, %v", free, err)
	}
}

func TestADiskThatIsFullForATimeCostsOutputAndSaysSo(t *testing.T) {
	r := onSmallDisk(t)
	if r == nil {
		return
	}
	r.start(script("a", "echo before\n"+r.gate("a")+"\n"+r.fill()+"for i in $(seq 2000); do echo "+strings.Repeat("x", 200)+"; done; rm "+r.inHome("fill")+"; sleep 0.2; echo after; echo bad >&2; exit 7"))
	until(t, "the first line is stored", func() bool { return len(r.status("a", 0).Logs) > 0 })
	r.letGo("a")
	got := r.await("a", 0)
	out, says := text(got.Logs)
	missing := 0
	for _, line := range says {
		n := 0
		_, _ = fmt.Sscanf(line, "[%d lines of output are missing here", &n)
		missing += n
	}
	if got.ExitCode != 7 || out[0] != "before" || out[len(out)-1] != "after" || says[len(says)-1] != "bad" || missing < 1000 || len(out)+1+missing != 2003 || got.NextLogSequence != 2004 {
		t.Errorf("exit code %d, %d lines, from %.20q to %.20q, next %d, %q", got.ExitCode, len(out), out[0], out[len(out)-1], got.NextLogSequence, says)
	}
	t.Logf("%s", says)
}

// diskWasFull matches what a log says of lines that are not in it.
var diskWasFull = regexp.MustCompile(`^\[the last .*disk was full|^\[\d+ lines of output .*while the disk is full`)

func TestADiskThatIsFullAtTheEndCostsNoExitCode(t *testing.T) {
	r := onSmallDisk(t)
	if r == nil {
		return
	}
	path, note := r.marker("ran")
	r.start(script("a", note+"for i in $(seq 5000); do echo early; done\n"+r.fill()+"for i in $(seq 2000); do echo "+strings.Repeat("x", 200)+"; done; exit 9"))
	for range 2 {
		got := r.await("a", 0)
		_, says := text(got.Logs)
		// The last line may still have found room, as files have it in whole pages.
		if got.ExitCode != 9 || len(says) == 0 || !diskWasFull.MatchString(says[len(says)-1]) || got.NextLogSequence != 7001 {
			t.Errorf("exit code %d, next %d, %q", got.ExitCode, got.NextLogSequence, says)
		}
		r.restart() // on a full disk
	}
	_, err := r.StartScript(context.Background(), operator, script("b", note))
	if final := (halibut.FinalError{}); err == nil || errors.As(err, &final) || !strings.Contains(err.Error(), "low disk space") {
		t.Errorf("a start on a full disk: %v", err)
	}
	r.want(r.start(script("a", note)), 9, lines(r.await("a", 0).Logs))
	r.completeScript("a") // what it held makes room for what has to stay
	r.restart()
	r.want(r.start(script("a", note)), tentacle.ExitAlreadyCompleted, "! already completed, exit code 9\n")
	if exists(r.inHome(".tentacle", "tickets", "a")) || exists(r.inHome("Work", "a")) || content(path) != "ran\n" {
		t.Errorf("folders are left, or it ran %q", content(path))
	}
}

func TestADiskThatIsFullWhenTheTurnComesRunsNothing(t *testing.T) {
	r := onSmallDisk(t, func(c *Config) { c.Notice = time.Hour })
	if r == nil {
		return
	}
	path, note := r.marker("ran")
	r.start(exclusive("first", r.gate("first")))
	r.began("first")
	r.start(exclusive("a", note))
	r.start(exclusive("b", note))
	r.fillNow()
	r.cancelScript("b")
	r.letGo("first")
	r.want(r.await("first", 0), 0, "")
	open := func() bool { // a later daemon would start it
		sight, err := process.Look(r.inHome(".tentacle", "tickets", "a"))
		return err == nil && sight.State == process.Unclaimed
	}
	time.Sleep(500 * time.Millisecond) // for what must not happen
	if got := r.status("a", 0); got.State == tentacle.Complete && open() {
		t.Errorf("it is told as ended, but a later daemon would start it: %+v", got)
	}
	r.restart() // a second daemon finds the disk full, too
	if err := os.Remove(r.inHome("fill")); err != nil {
		t.Fatal(err)
	}
	got := r.await("a", 0)
	if says := lines(got.Logs); got.ExitCode == tentacle.ExitLaunchFailed && !strings.Contains(says, "no space left on device") {
		t.Errorf("%d, %q", got.ExitCode, says)
	}
	if ran := content(path); (got.ExitCode == 0) != (ran == "ran\n") || got.ExitCode != 0 && got.ExitCode != tentacle.ExitLaunchFailed {
		t.Errorf("exit code %d, and it ran %q", got.ExitCode, ran)
	}
	t.Logf("%d, %q", got.ExitCode, lines(got.Logs))
	r.want(r.await("b", 0), tentacle.ExitCanceled, "! The script was cancelled before it began.\n")
	r.restart()
	if again := r.await("a", 0); again.ExitCode != got.ExitCode {
		t.Errorf("exit code %d, and after a restart %d", got.ExitCode, again.ExitCode)
	}
}

func TestAScriptThatFilledTheDiskCanBeCancelled(t *testing.T) {
	r := onSmallDisk(t)
	if r == nil {
		return
	}
	r.start(script("a", r.pidFile("$$", "self")+r.fill()+"touch "+filepath.Join(r.cfg.Home, "full")+"; sleep 300"))
	r.pid("self")
	until(t, "the disk is full", func() bool { return exists(r.inHome("full")) })
	r.cancelScript("a")
	r.want(r.await("a", 0), tentacle.ExitCanceled, "")
}
