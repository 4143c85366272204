//go:build unix

package scripts

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// alive says whether a process runs; a dead one that nobody asked after does not.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return !os.IsNotExist(err) && syscall.Kill(pid, 0) == nil
	}
	return !strings.Contains(string(stat), ") Z ")
}

// pid waits for a file in which a script has put a process id.
func (r *rig) pid(name string) int {
	r.t.Helper()
	id := 0
	until(r.t, "a process id in "+name, func() bool {
		n, err := strconv.Atoi(strings.TrimSpace(content(r.inHome(name))))
		id = n
		return err == nil
	})
	return id
}

// pidFile is a command that puts a process id there, whole.
func (r *rig) pidFile(expression, name string) string {
	path := r.inHome(name)
	return fmt.Sprintf("echo %s > %q.new; mv %q.new %q\n", expression, path, path, path)
}

func TestACancelEndsTheScriptAndWhatItStarted(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Grace = time.Minute })
	r.start(script("a", "echo begun\nsleep 300 & "+r.pidFile("$!", "child")+"set -m; sleep 300 & "+r.pidFile("$!", "other")+"wait"))
	child, other := r.pid("child"), r.pid("other")
	before := time.Now()
	r.cancelScript("a")
	r.want(r.await("a", 0), tentacle.ExitCanceled, "begun\n")
	if took := time.Since(before); took > 20*time.Second {
		t.Errorf("it took %s although nothing resisted", took)
	}
	if alive(child) || alive(other) {
		t.Error("a process that the script started lives")
	}
	r.want(r.cancelScript("a"), tentacle.ExitCanceled, "begun\n")
}

func TestAScriptThatIgnoresTERMIsKilled(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Grace = 300 * time.Millisecond })
	r.start(script("a", "exec 2>/dev/null; trap 'echo got TERM' TERM\n"+r.pidFile("$$", "self")+"while :; do sleep 0.05; done"))
	self := r.pid("self")
	before := time.Now()
	r.cancelScript("a")
	r.want(r.await("a", 0), tentacle.ExitCanceled, "got TERM\n")
	if time.Since(before) < 300*time.Millisecond || alive(self) {
		t.Errorf("after %s it lives: %v", time.Since(before), alive(self))
	}
}

func TestAScriptMayCleanUpAfterTERM(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Grace = 20 * time.Second })
	r.start(script("a", "exec 2>/dev/null; trap 'sleep 0.2; echo cleaned; exit 0' TERM\n"+r.pidFile("$$", "self")+"while :; do sleep 0.05; done"))
	r.pid("self")
	r.cancelScript("a")
	r.want(r.await("a", 0), tentacle.ExitCanceled, "cleaned\n")
}

func TestACancelBeforeTheStartArrives(t *testing.T) {
	r := newRig(t)
	path, note := r.marker("ran")
	r.want(r.cancelScript("a"), tentacle.ExitUnknownScript, "")
	r.restart()
	r.want(r.start(script("A", note)), tentacle.ExitCanceled, "! The script was cancelled before it arrived.\n")
	if exists(path) {
		t.Error("it ran")
	}
}

func TestABackgroundChildThatHoldsTheOutputDoesNotHoldTheResult(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Drain = 300 * time.Millisecond })
	r.start(script("a", "(trap '' PIPE; until test -e "+r.inHome("go")+"; do echo late || touch "+r.inHome("broken")+"; sleep 0.02; done; touch "+r.inHome("whole")+") & "+r.pidFile("$!", "child")+"echo done; exit 3"))
	got := r.await("a", 0)
	if got.ExitCode != 3 || got.Logs[0].Text != "done" && got.Logs[0].Text != "late" {
		t.Errorf("%d, %q", got.ExitCode, lines(got.Logs))
	}
	child := r.pid("child")
	if !alive(child) {
		t.Error("the child was ended")
	}
	r.completeScript("a")
	if err := os.WriteFile(r.inHome("go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the child's end", func() bool { return !alive(child) })
	if !exists(r.inHome("whole")) || exists(r.inHome("broken")) {
		t.Error("the child's output was broken by the end of its script")
	}
}

func TestAScriptThatForksAndExits(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Drain = 5 * time.Minute })
	r.start(script("a", "sleep 300 > /dev/null 2>&1 & "+r.pidFile("$!", "child")+"echo done"))
	child := r.pid("child")
	defer syscall.Kill(child, syscall.SIGKILL) //nolint:errcheck // the end of the test
	r.want(r.await("a", 0), 0, "done\n")       // long before Drain, as nobody holds the output
	r.cancelScript("a")
	r.completeScript("a")
	if !alive(child) {
		t.Error("what a script left running was ended")
	}
}

func TestAScriptEndedByASignal(t *testing.T) {
	r := newRig(t)
	r.want(r.run(script("a", "kill -9 $$")), 137, "")
}

func TestASupervisorOutlivesSignalsThatAreNotForIt(t *testing.T) {
	r := newRig(t)
	r.start(script("a", r.pidFile("$PPID", "supervisor")+"while [ ! -e "+r.inHome("go")+" ]; do sleep 0.02; done; echo done"))
	supervisor := r.pid("supervisor")
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT} {
		if err := syscall.Kill(supervisor, signal); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(r.inHome("go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.want(r.await("a", 0), 0, "done\n")
}

func TestAScriptWhoseSupervisorIsKilledIsLost(t *testing.T) {
	r := newRig(t)
	r.start(script("a", "echo begun\nsleep 300 & "+r.pidFile("$!", "child")+r.pidFile("$PPID", "supervisor")+"wait"))
	supervisor, child := r.pid("supervisor"), r.pid("child")
	until(t, "its output", func() bool { return len(r.status("a", 0).Logs) > 0 })
	if err := syscall.Kill(supervisor, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	got := r.await("a", 0)
	if got.ExitCode != tentacle.ExitLost || !strings.HasPrefix(lines(got.Logs), "begun\n! Lost: ") || strings.Contains(lines(got.Logs), "reboot") {
		t.Errorf("%d, %q", got.ExitCode, lines(got.Logs))
	}
	if alive(child) {
		t.Error("what it left is alive")
	}
	r.restart()
	if again := r.status("a", 0); again.ExitCode != tentacle.ExitLost || len(again.Logs) != 2 {
		t.Errorf("after a restart: %+v", again)
	}
}

func TestCompletingWhatRunsLetsItGoOn(t *testing.T) {
	r := newRig(t)
	path, note := r.marker("ran")
	r.start(script("a", r.pidFile("$$", "self")+"while [ ! -e "+r.inHome("go")+" ]; do sleep 0.02; done\n"+note))
	r.pid("self")
	r.completeScript("a")
	for range 2 {
		r.want(r.start(script("a", note)), tentacle.ExitAlreadyCompleted, "! already completed\n")
		r.want(r.status("a", 0), tentacle.ExitUnknownScript, "")
		r.want(r.cancelScript("a"), tentacle.ExitUnknownScript, "")
		r.restart()
	}
	if err := os.WriteFile(r.inHome("go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "its tombstone", func() bool { return !exists(r.inHome(".tentacle", "tickets", "a")) })
	r.want(r.start(script("a", note)), tentacle.ExitAlreadyCompleted, "! already completed, exit code 0\n")
	if content(path) != "ran\n" {
		t.Errorf("ran %q", content(path))
	}
}

func TestCompletingWhatWaitsCancelsIt(t *testing.T) {
	r := newRig(t)
	path, note := r.marker("ran")
	r.start(exclusive("first", "while [ ! -e "+r.inHome("go")+" ]; do sleep 0.02; done"))
	r.start(exclusive("second", note))
	r.completeScript("second")
	until(t, "its tombstone", func() bool { return !exists(r.inHome(".tentacle", "tickets", "second")) })
	if err := os.WriteFile(r.inHome("go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.want(r.await("first", 0), 0, "")
	r.want(r.start(exclusive("second", note)), tentacle.ExitAlreadyCompleted, "! already completed, exit code -43\n")
	if exists(path) {
		t.Error("it ran")
	}
}

func TestAWaitEndsWhenTheCallerGoes(t *testing.T) {
	r := newRig(t)
	r.start(script("a", r.pidFile("$$", "self")+"sleep 300"))
	r.pid("self")
	until(t, "Running", func() bool { return r.status("a", 0).State == tentacle.Running })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := r.WaitForStatus(ctx, operator, tentacle.WaitForStatusCommandV1{Ticket: tentacle.ScriptTicket{TaskID: "a"}, MaxWait: halibut.TimeSpan(time.Minute)})
	if err == nil {
		t.Error("it answered")
	}
}
