package tentacletest

import (
	"slices"

	"github.com/mantledeploy/mantle/api/tentacle"
)

func cancelCases() []testCase {
	return []testCase{
		{name: "unknown ticket", run: unknownTicket},
		{name: "cancel ends a running script with its processes", run: cancelRunning},
		{name: "cancel ends a script that ignores TERM", run: cancelStubborn, long: true},
		{name: "cancel of a waiting script runs nothing", run: cancelWaiting},
		{name: "cancel before the start runs nothing", run: cancelBeforeStart},
		{name: "cancel after the end changes nothing", run: cancelEnded},
		{name: "cancelled script frees its mutex", run: cancelFreesMutex},
	}
}

func completeCases() []testCase {
	return []testCase{
		{name: "completed ticket is forgotten but for its exit code", run: completeEnded},
		{name: "complete of a waiting script cancels it", run: completeWaiting},
		{name: "complete of a running script lets it go on", run: completeRunning},
		{name: "complete of an unknown ticket and twice", run: completeTwice},
	}
}

func unknownTicket(h *harness) {
	k := h.ticket()
	h.unknown(h.status(k, 0), 0)
	h.unknown(h.status(k, 17), 17)
	r, err := h.a.CancelScript(h.ctx, tentacle.CancelScriptCommandV2{Ticket: k, LastLogSequence: 3})
	if err != nil {
		h.Fatal(err)
	}
	h.unknown(r, 3)
}

func cancelRunning(h *harness) {
	c := h.command("sleep 77 & echo $!; echo ready; wait; echo never")
	h.start(c)
	h.until(c.ScriptTicket, printed("ready"))
	h.cancel(c.ScriptTicket)
	h.cancel(c.ScriptTicket)
	r := h.follow(c.ScriptTicket)
	out := r.lines(tentacle.StdOut)
	if r.exitCode != tentacle.ExitCanceled || len(out) != 2 || len(r.logs) != 2 {
		h.Fatalf("cancelled it is %+v", r)
	}
	alive := h.command("for i in $(seq 1 100); do kill -0 " + out[0] + " 2>/dev/null || exit 0; sleep 0.1; done; exit 1")
	if h.run(alive).exitCode != 0 {
		h.Fatalf("a process of the cancelled script lives")
	}
}

func cancelStubborn(h *harness) {
	c := h.command("trap '' TERM; echo ready; for i in $(seq 1 800); do sleep 0.1; done; echo never")
	h.start(c)
	h.until(c.ScriptTicket, printed("ready"))
	h.cancel(c.ScriptTicket)
	if r := h.follow(c.ScriptTicket); r.exitCode != tentacle.ExitCanceled || slices.Contains(r.lines(tentacle.StdOut), "never") {
		h.Fatalf("cancelled it is %+v", r)
	}
}

func cancelWaiting(h *harness) {
	holder := h.holder(tentacle.FullIsolation)
	mark, count := h.marker()
	k := h.waiting(h.exclusive(mark))
	h.cancel(k)
	r := h.follow(k)
	h.refused(tentacle.ScriptStatusResponseV2{State: tentacle.Complete, Logs: r.logs, ExitCode: r.exitCode}, tentacle.ExitCanceled)
	h.cancel(holder)
	h.follow(holder)
	if h.run(h.exclusive("exit 0")); count() != 0 {
		h.Fatalf("it ran all the same")
	}
}

func cancelBeforeStart(h *harness) {
	mark, count := h.marker()
	c := h.command(mark)
	c.DurationToWaitForScriptToFinish = seconds(1)
	h.unknown(h.cancel(c.ScriptTicket), 0)
	h.refused(h.start(c), tentacle.ExitCanceled)
	h.refused(h.start(c), tentacle.ExitCanceled)
	if count() != 0 {
		h.Fatalf("it ran")
	}
}

func cancelEnded(h *harness) {
	c := h.command("echo a; exit 3")
	want := h.run(c)
	if r := h.cancel(c.ScriptTicket); r.State != tentacle.Complete || r.ExitCode != 3 {
		h.Fatalf("cancelled after its end: %+v", r)
	}
	h.equal(want.logs, h.follow(c.ScriptTicket).logs)
}

func cancelFreesMutex(h *harness) {
	first := h.holder(tentacle.FullIsolation)
	second := h.waiting(h.exclusive("sleep 80"))
	third := h.waiting(h.exclusive("echo mine"))
	h.cancel(second)
	h.cancel(first)
	if r := h.follow(third); r.exitCode != 0 {
		h.Fatalf("the last one: %+v", r)
	}
}

// completed polls StartScript until the line of a completed ticket has its exit code.
func (h *harness) completed(c tentacle.StartScriptCommandV2, wantedCode int32) {
	h.Helper()
	for {
		r := h.start(c)
		h.refused(r, tentacle.ExitAlreadyCompleted)
		if code, ok := tentacle.ParseAlreadyCompleted(r); ok {
			if code != wantedCode {
				h.Fatalf("the exit code that is kept is %d, wanted %d", code, wantedCode)
			}
			return
		}
		h.nap()
	}
}

func completeEnded(h *harness) {
	mark, count := h.marker()
	c := h.command(mark + "echo a; exit 3")
	h.run(c)
	h.complete(c.ScriptTicket)
	h.unknown(h.status(c.ScriptTicket, 0), 0)
	h.unknown(h.cancel(c.ScriptTicket), 0)
	for range 2 {
		r := h.start(c)
		h.refused(r, tentacle.ExitAlreadyCompleted)
		if code, ok := tentacle.ParseAlreadyCompleted(r); !ok || code != 3 {
			h.Fatalf("exit code %d, %v from %v", code, ok, r.Logs)
		}
	}
	h.unknown(h.status(c.ScriptTicket, 5), 5)
	if count() != 1 {
		h.Fatalf("ran %d times", count())
	}
}

func completeWaiting(h *harness) {
	holder := h.holder(tentacle.FullIsolation)
	mark, count := h.marker()
	c := h.exclusive(mark)
	k := h.waiting(c)
	h.complete(k)
	h.unknown(h.status(k, 0), 0)
	h.completed(c, tentacle.ExitCanceled)
	h.cancel(holder)
	h.follow(holder)
	if h.run(h.exclusive("exit 0")); count() != 0 {
		h.Fatalf("it ran all the same")
	}
}

func completeRunning(h *harness) {
	mark, count := h.marker()
	gate := h.scratch() + "/gate"
	c := h.exclusive("echo ready; until test -e '" + gate + "'; do sleep 0.1; done\n" + mark + "exit 7")
	h.start(c)
	h.until(c.ScriptTicket, printed("ready"))
	h.complete(c.ScriptTicket)
	h.unknown(h.status(c.ScriptTicket, 0), 0)
	r := h.start(c)
	h.refused(r, tentacle.ExitAlreadyCompleted)
	if code, ok := tentacle.ParseAlreadyCompleted(r); ok {
		h.Fatalf("it runs, but its exit code is told: %d", code)
	}
	h.unknown(h.cancel(c.ScriptTicket), 0)
	next := h.waiting(h.exclusive("exit 0"))
	h.run(h.free("touch '" + gate + "'"))
	h.completed(c, 7)
	if r := h.follow(next); r.exitCode != 0 || count() != 1 {
		h.Fatalf("it ran to its end %d times; after it: %+v", count(), r)
	}
}

// free is a script outside the case's mutex.
func (h *harness) free(body string) tentacle.StartScriptCommandV2 {
	c := h.command(body)
	name := h.mutex + "-free"
	c.IsolationMutexName = &name
	return c
}

func completeTwice(h *harness) {
	h.complete(h.ticket())
	c := h.command("exit 1")
	h.run(c)
	h.complete(c.ScriptTicket)
	h.complete(c.ScriptTicket)
	h.completed(c, 1)
}
