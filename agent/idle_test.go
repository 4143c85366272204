//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// spent is what a process has cost: ticks of CPU time, and how often one of its threads woke up.
func spent(t testing.TB, pid int) (ticks, wakes int) {
	t.Helper()
	folder := filepath.Join("/proc", strconv.Itoa(pid))
	data, err := os.ReadFile(filepath.Join(folder, "stat"))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	for _, field := range fields[11:13] { // user and system
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	threads, err := filepath.Glob(filepath.Join(folder, "task", "*", "status"))
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		status, err := os.ReadFile(thread) // #nosec G304 -- of /proc
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(status), "\nvoluntary_ctxt_switches:")
		n := 0
		if _, err := fmt.Sscan(rest, &n); err == nil {
			wakes += n
		}
	}
	return ticks, wakes
}

// secondsVariable says for how long the idle daemon is measured, in seconds: hack/idle.sh lets it wait for a minute.
const secondsVariable = "TENTACLE_TEST_IDLE"

// What an idle daemon may have in memory, in KiB: in all, where hack/idle.sh asks, and of its own. The rest is the program's file,
// of which each system keeps as much in memory as it likes.
const (
	idleMemory    = 12 << 10
	idleOwnMemory = 4 << 10
)

func idleTime(t *testing.T) time.Duration {
	t.Helper()
	seconds, err := strconv.Atoi(cmp.Or(os.Getenv(secondsVariable), "10"))
	if err != nil || seconds < 1 {
		t.Fatalf("%s is %q; write a number of seconds", secondsVariable, os.Getenv(secondsVariable))
	}
	return time.Duration(seconds) * time.Second
}

// TestAnIdleDaemonCostsNothing lets a daemon that has worked wait.
func TestAnIdleDaemonCostsNothing(t *testing.T) {
	idle := idleTime(t)
	few := max(2*int(idle/time.Second), 20) // wake-ups of a runtime that has nothing to do
	home := filepath.Join(t.TempDir(), "home")
	a, first := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, first)
	run := command(context.Background(), "run", "--home", home)
	built := shipped(run)
	p := launch(t, run, home+".log", e)
	client := halibut.NewClient(halibut.ClientConfig{Certificate: a, SpoolDir: t.TempDir()})
	c := tentacle.NewClient(client, e)
	for _, id := range []string{"completed", "left"} {
		startScript(t, c, id, "seq 1000")
		finish(t, c, id)
	}
	if err := c.CompleteScript(t.Context(), tentacle.CompleteScriptCommandV2{Ticket: ticket("completed")}); err != nil {
		t.Fatal(err)
	}
	client.Close()
	pid := p.cmd.Process.Pid
	eventually(t, "only the listening socket is open", func() bool { return len(sockets(t, pid)) == 1 })
	quietest, best := 1<<30, 1<<30
	for range 3 { // the runtime tidies up after work; what the daemon does by itself would show every time
		ticks, wakes := spent(t, pid)
		time.Sleep(idle) // this is what is measured
		ticks2, wakes2 := spent(t, pid)
		quietest, best = min(quietest, ticks2-ticks), min(best, wakes2-wakes)
		if quietest == 0 && best < few {
			break
		}
	}
	open := sockets(t, pid)
	all, own := memory(t, pid, "VmRSS"), memory(t, pid, "RssAnon")
	t.Logf("IdleDaemon %s: %d ticks, %d wake-ups, %d sockets, %d KiB in memory, of which %d KiB its own", idle, quietest, best, len(open), all, own)
	if built && (own > idleOwnMemory || os.Getenv(secondsVariable) != "" && all > idleMemory) {
		t.Errorf("an idle daemon has %d KiB in memory, of which %d KiB its own; at most %d and %d should be", all, own, idleMemory, idleOwnMemory)
	}
	if quietest > 0 || best >= few {
		t.Errorf("%d ticks and %d wake-ups in %s in which nothing was asked for", quietest, best, idle)
	}
	if len(open) != 1 {
		t.Errorf("open sockets: %v", open)
	}
}
