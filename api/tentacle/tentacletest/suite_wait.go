package tentacletest

import (
	"slices"
	"strconv"
	"time"

	"github.com/mantledeploy/mantle/api/tentacle"
)

// soon is what "at once" may take on a machine that has much to do.
const soon = 15 * time.Second

func waitCases() []testCase {
	return []testCase{
		{name: "wait answers at once for an unknown ticket", run: waitUnknown},
		{name: "wait answers at once when complete", run: waitComplete},
		{name: "wait answers when the script ends", run: waitForEndOfScript},
		{name: "wait answers when the script begins", run: waitForBegin},
		{name: "wait gathers new output for 200 ms", run: waitGathers},
		{name: "wait answers output that is old at once", run: waitOldOutput},
		{name: "wait answers at its longest", run: waitLongest},
		{name: "wait of nothing answers at once", run: waitOfNothing},
		{name: "wait ends when the ticket is completed", run: waitCompleted},
	}
}

// wait calls WaitForStatus and tells how long it took.
func (h *harness) wait(k tentacle.ScriptTicket, last int64, longest float64) (tentacle.ScriptStatusResponseV2, time.Duration) {
	h.Helper()
	began := time.Now()
	r, err := h.a.WaitForStatus(h.ctx, tentacle.WaitForStatusCommandV1{Ticket: k, LastLogSequence: last, MaxWait: *seconds(longest)})
	took := time.Since(began)
	if err != nil {
		h.Fatalf("waiting for %s: %v", k.TaskID, err)
	}
	r.Logs = h.checkRange(r, k, last)
	return r, took
}

func (h *harness) promptly(took time.Duration) {
	h.Helper()
	if took > soon {
		h.Errorf("it took %v", took)
	}
}

// printed tells whether a line is there.
func printed(line string) func(tentacle.ScriptStatusResponseV2) bool {
	return func(r tentacle.ScriptStatusResponseV2) bool {
		return slices.ContainsFunc(r.Logs, func(o tentacle.ProcessOutput) bool { return o.Text == line })
	}
}

// begun is printed where the state has followed: a line may be told before the state turns to Running.
func begun(line string) func(tentacle.ScriptStatusResponseV2) bool {
	return func(r tentacle.ScriptStatusResponseV2) bool { return r.State != tentacle.Pending && printed(line)(r) }
}

func waitUnknown(h *harness) {
	r, took := h.wait(h.ticket(), 4, 30)
	h.unknown(r, 4)
	h.promptly(took)
	c := h.command("exit 0")
	h.run(c)
	h.complete(c.ScriptTicket)
	r, took = h.wait(c.ScriptTicket, 0, 30)
	h.unknown(r, 0)
	h.promptly(took)
}

func waitComplete(h *harness) {
	c := h.command("echo a; exit 3")
	want := h.run(c)
	for last := range int64(3) {
		r, took := h.wait(c.ScriptTicket, last, 30)
		h.promptly(took)
		if r.State != tentacle.Complete || r.ExitCode != 3 || len(r.Logs) != max(0, len(want.logs)-int(last)) {
			h.Fatalf("after %d: %+v", last, r)
		}
	}
}

func waitForEndOfScript(h *harness) {
	c := h.command("echo ready; sleep 1; exit 3")
	h.start(c)
	h.until(c.ScriptTicket, begun("ready"))
	r, took := h.wait(c.ScriptTicket, 1, 45)
	h.promptly(took)
	if r.State != tentacle.Complete || r.ExitCode != 3 || len(r.Logs) != 0 {
		h.Fatalf("at its end: %+v", r)
	}
}

// waitForBegin tries again where the script began before the wait arrived, as nothing tells of that: then there is no
// change to wait for.
func waitForBegin(h *harness) {
	const most = 8 * time.Second
	for try := range 5 {
		holder := h.holder(tentacle.FullIsolation)
		k := h.waiting(h.exclusive("sleep 60"))
		last := h.status(k, 0).NextLogSequence
		go func() {
			time.Sleep(time.Duration(try) * time.Second)
			_, _ = h.b.GetCapabilities(h.ctx)
			_, _ = h.a.CancelScript(h.ctx, tentacle.CancelScriptCommandV2{Ticket: holder})
		}()
		r, took := h.wait(k, last, most.Seconds())
		if r.State == tentacle.Running && took < most {
			return
		}
		h.cancel(k)
		h.follow(k)
	}
	h.Fatalf("no wait was answered when the script began")
}

// waitGathers lets the script print two lines at once, the second with the time in nanoseconds.
func waitGathers(h *harness) {
	c := h.command("echo ready; sleep 1; t=$(date +%s%N); echo $t; echo b; sleep 60")
	h.start(c)
	h.until(c.ScriptTicket, begun("ready"))
	r, took := h.wait(c.ScriptTicket, 1, 45)
	answered := time.Now()
	h.promptly(took)
	if r.State != tentacle.Running || len(r.Logs) != 2 || r.Logs[1].Text != "b" {
		h.Fatalf("at the new output: %+v", r)
	}
	printedAt, err := strconv.ParseInt(r.Logs[0].Text, 10, 64)
	if err != nil {
		h.Skip("date knows no nanoseconds here")
	}
	if after := answered.Sub(time.Unix(0, printedAt)); after < 190*time.Millisecond {
		h.Errorf("the answer came %v after the line", after)
	}
}

func waitOldOutput(h *harness) {
	c := h.command("echo old; sleep 60")
	h.start(c)
	h.until(c.ScriptTicket, begun("old"))
	r, took := h.wait(c.ScriptTicket, 0, 45)
	h.promptly(took)
	if !printed("old")(r) || r.State != tentacle.Running {
		h.Fatalf("at once: %+v", r)
	}
}

func waitLongest(h *harness) {
	c := h.command("echo ready; sleep 60")
	h.start(c)
	h.until(c.ScriptTicket, begun("ready"))
	r, took := h.wait(c.ScriptTicket, 1, 1.5)
	h.promptly(took)
	if took < 1400*time.Millisecond || r.State != tentacle.Running || len(r.Logs) != 0 {
		h.Fatalf("after %v: %+v", took, r)
	}
}

func waitOfNothing(h *harness) {
	c := h.command("echo ready; sleep 60")
	h.start(c)
	h.until(c.ScriptTicket, begun("ready"))
	for _, longest := range []float64{0, -5} {
		r, took := h.wait(c.ScriptTicket, 1, longest)
		h.promptly(took)
		if r.State != tentacle.Running {
			h.Fatalf("with %v s: %+v", longest, r)
		}
	}
}

func waitCompleted(h *harness) {
	c := h.command("echo ready; sleep 3")
	h.start(c)
	h.until(c.ScriptTicket, begun("ready"))
	completed := make(chan error, 1)
	go func() {
		completed <- h.a.CompleteScript(h.ctx, tentacle.CompleteScriptCommandV2{Ticket: c.ScriptTicket})
	}()
	r, took := h.wait(c.ScriptTicket, 1, 45)
	if err := <-completed; err != nil {
		h.Fatal(err)
	}
	h.promptly(took)
	if r.State != tentacle.Complete {
		h.Fatalf("completed while it was waited for: %+v", r)
	}
	r, took = h.wait(c.ScriptTicket, 1, 45)
	h.promptly(took)
	h.unknown(r, 1)
}
