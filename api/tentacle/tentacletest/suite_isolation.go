package tentacletest

import (
	"slices"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

func isolationCases() []testCase {
	return []testCase{
		{name: "full isolation lets one in at a time", run: writersAlone},
		{name: "no isolation lets many in", run: readersTogether},
		{name: "full isolation waits for those without", run: writerWaitsForReader},
		{name: "who comes later does not overtake who waits", run: waitersInOrder},
		{name: "mutexes of other names do not matter", run: otherMutex},
		{name: "mutex without a name is RunningScript", run: namelessMutex},
		{name: "wait for the mutex is shown", run: waitIsShown},
		{name: "wait for the mutex times out", run: waitTimesOut},
		{name: "timeout of zero waits", run: zeroTimeoutWaits},
	}
}

// holder starts a script that keeps the case's mutex until it is cancelled.
func (h *harness) holder(level tentacle.ScriptIsolationLevel) tentacle.ScriptTicket {
	h.Helper()
	c := h.command("echo holding; sleep 80")
	c.Isolation = level
	h.start(c)
	h.until(c.ScriptTicket, printed("holding"))
	return c.ScriptTicket
}

// waiting starts a script that has to wait, and returns once that is to be seen.
func (h *harness) waiting(c tentacle.StartScriptCommandV2) tentacle.ScriptTicket {
	h.Helper()
	h.start(c)
	r := h.until(c.ScriptTicket, printed(tentacle.StdoutDefault))
	if r.State != tentacle.Pending || r.ExitCode != 0 {
		h.Fatalf("while another has the mutex: %+v", r)
	}
	return c.ScriptTicket
}

func writersAlone(h *harness) {
	dir := h.scratch()
	var tickets []tentacle.ScriptTicket
	for range 5 {
		c := h.exclusive("mkdir '" + dir + "/inside' || exit 1; sleep 0.1; rmdir '" + dir + "/inside'")
		h.start(c)
		tickets = append(tickets, c.ScriptTicket)
	}
	for _, k := range tickets {
		if r := h.follow(k); r.exitCode != 0 {
			h.Errorf("two were inside at once: %v", r.logs)
		}
	}
}

func readersTogether(h *harness) {
	h.holder(tentacle.NoIsolation)
	if r := h.run(h.command("echo beside")); r.exitCode != 0 || len(r.logs) != 1 {
		h.Fatalf("beside another: %+v", r)
	}
}

func writerWaitsForReader(h *harness) {
	reader := h.holder(tentacle.NoIsolation)
	writer := h.waiting(h.exclusive("echo alone"))
	h.cancel(reader)
	if r := h.follow(writer); r.exitCode != 0 || !slices.Contains(r.lines(tentacle.StdOut), "alone") {
		h.Fatalf("after the reader: %+v", r)
	}
}

func waitersInOrder(h *harness) {
	reader := h.holder(tentacle.NoIsolation)
	file := h.scratch() + "/order"
	first := h.waiting(h.exclusive("echo first >> '" + file + "'"))
	second := h.waiting(h.command("echo second >> '" + file + "'"))
	h.cancel(reader)
	h.follow(first)
	h.follow(second)
	got := h.run(h.command("cat '" + file + "'")).lines(tentacle.StdOut)
	h.equal([]string{"first", "second"}, got)
}

func otherMutex(h *harness) {
	h.holder(tentacle.FullIsolation)
	c := h.exclusive("echo free")
	name := h.mutex + "-other"
	c.IsolationMutexName = &name
	h.equal([]string{"free"}, h.run(c).lines(tentacle.StdOut))
}

func namelessMutex(h *harness) {
	h.mutex = tentacle.DefaultMutex
	holder := h.holder(tentacle.FullIsolation)
	c := h.exclusive("echo mine")
	c.IsolationMutexName = nil
	k := h.waiting(c)
	h.cancel(holder)
	if r := h.follow(k); r.exitCode != 0 {
		h.Fatalf("after its wait: %+v", r)
	}
}

func waitIsShown(h *harness) {
	holder := h.holder(tentacle.FullIsolation)
	k := h.waiting(h.exclusive("echo mine"))
	h.cancel(holder)
	r := h.follow(k)
	out := r.lines(tentacle.StdOut)
	if len(r.logs) != 4 || len(out) != 4 || out[0] != tentacle.StdoutWait || out[1] == "" ||
		out[2] != tentacle.StdoutDefault || out[3] != "mine" {
		h.Fatalf("wanted the three lines of a wait and the script's, got %v", r.logs)
	}
}

func waitTimesOut(h *harness) {
	h.holder(tentacle.FullIsolation)
	mark, count := h.marker()
	c := h.exclusive(mark)
	c.ScriptIsolationMutexTimeout = halibut.TimeSpan(5 * time.Second)
	began := time.Now()
	k := h.waiting(c)
	r := h.follow(k)
	if took := time.Since(began); took < 4900*time.Millisecond {
		h.Errorf("timed out after %v already", took)
	}
	if r.exitCode != tentacle.ExitTimeout || !slices.Contains(r.lines(tentacle.StdOut), tentacle.TimedOutLine) || count() != 0 {
		h.Fatalf("ran %d times: %+v", count(), r)
	}
}

func zeroTimeoutWaits(h *harness) {
	holder := h.holder(tentacle.FullIsolation)
	k := h.waiting(h.exclusive("echo mine"))
	for range 25 {
		h.nap()
		if r := h.status(k, 0); r.State != tentacle.Pending {
			h.Fatalf("it waits no more: %+v", r)
		}
	}
	h.cancel(holder)
	if r := h.follow(k); r.exitCode != 0 {
		h.Fatalf("after its wait: %+v", r)
	}
}
