//go:build linux

package main

import (
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
func spent(t *testing.T, pid int) (ticks, wakes int) {
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

// TestAnIdleDaemonCostsNothing lets a daemon that has worked wait for ten seconds. hack/idle.sh measures longer.
func TestAnIdleDaemonCostsNothing(t *testing.T) {
	const idle = 10 * time.Second
	home := filepath.Join(t.TempDir(), "home")
	a, first := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, first)
	p := start(t, home, e)
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
		if quietest == 0 && best < 20 {
			break
		}
	}
	t.Logf("%d ticks and %d wake-ups in %s, %d KiB in memory", quietest, best, idle, memory(t, pid, "VmRSS"))
	if quietest > 0 || best >= 20 {
		t.Errorf("%d ticks and %d wake-ups in %s in which nothing was asked for", quietest, best, idle)
	}
	if open := sockets(t, pid); len(open) != 1 {
		t.Errorf("open sockets: %v", open)
	}
}
