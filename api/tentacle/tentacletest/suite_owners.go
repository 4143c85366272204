package tentacletest

import (
	"time"

	"github.com/mantledeploy/mantle/api/tentacle"
)

func ownerCases() []testCase {
	return []testCase{
		{name: "ticket of another operator does not exist", run: othersTicket},
		{name: "ticket of another operator can be used", run: sharedTicket},
		{name: "tombstone of another operator does not exist", run: othersTombstone},
		{name: "scripts of two operators share a mutex", run: othersMutex},
	}
}

func othersTicket(h *harness) {
	c := h.command("echo mine; sleep 60")
	h.start(c)
	h.until(c.ScriptTicket, printed("mine"))
	k := c.ScriptTicket
	r, err := h.b.GetStatus(h.ctx, tentacle.ScriptStatusRequestV2{Ticket: k})
	h.othersAnswer("GetStatus", r, err)
	r, err = h.b.CancelScript(h.ctx, tentacle.CancelScriptCommandV2{Ticket: k})
	h.othersAnswer("CancelScript", r, err)
	began := time.Now()
	r, err = h.b.WaitForStatus(h.ctx, tentacle.WaitForStatusCommandV1{Ticket: k, MaxWait: *seconds(30)})
	h.othersAnswer("WaitForStatus", r, err)
	if took := time.Since(began); took > 20*time.Second {
		h.Errorf("WaitForStatus took %v", took)
	}
	if err := h.b.CompleteScript(h.ctx, tentacle.CompleteScriptCommandV2{Ticket: k}); err != nil {
		h.Errorf("CompleteScript: %v", err)
	}
	if r := h.status(k, 0); r.State != tentacle.Running || !printed("mine")(r) {
		h.Fatalf("after all that the ticket is %+v", r)
	}
}

// sharedTicket has two operators use one ticket, each for a script of its own.
func sharedTicket(h *harness) {
	mark, count := h.marker()
	c := h.command("echo mine; sleep 60")
	h.start(c)
	h.until(c.ScriptTicket, printed("mine"))
	k := c.ScriptTicket
	other := c
	other.ScriptBody = mark + "\nexit 7"
	other.DurationToWaitForScriptToFinish = seconds(30)
	h.othersScript(other)
	h.othersScript(other) // the same one
	if n := count(); n != 1 {
		h.Errorf("another operator's script of the same ticket ran %d times", n)
	}
	if err := h.b.CompleteScript(h.ctx, tentacle.CompleteScriptCommandV2{Ticket: k}); err != nil {
		h.Errorf("CompleteScript: %v", err)
	}
	if r := h.status(k, 0); r.State != tentacle.Running || !printed("mine")(r) {
		h.Fatalf("after all that the ticket is %+v", r)
	}
	h.cancel(k)
	h.follow(k)
	h.complete(k)
	r, err := h.b.StartScript(h.ctx, other)
	if err != nil || r.ExitCode != tentacle.ExitAlreadyCompleted || count() != 1 {
		h.Errorf("a late start by the other operator: %+v, %v, it ran %d times", r, err, count())
	}
}

func (h *harness) othersScript(c tentacle.StartScriptCommandV2) {
	h.Helper()
	if r, err := h.b.StartScript(h.ctx, c); err != nil || r.State != tentacle.Complete || r.ExitCode != 7 || printed("mine")(r) {
		h.Fatalf("another operator's script of the same ticket: %+v, %v", r, err)
	}
}

func (h *harness) othersAnswer(method string, r tentacle.ScriptStatusResponseV2, err error) {
	h.Helper()
	if err != nil || r.State != tentacle.Complete || r.ExitCode != tentacle.ExitUnknownScript || printed("mine")(r) {
		h.Errorf("%s of another's ticket: %+v, %v", method, r, err)
	}
}

func othersTombstone(h *harness) {
	c := h.command("echo mine; exit 3")
	h.run(c)
	h.complete(c.ScriptTicket)
	other := c
	other.ScriptBody = "echo other; exit 4"
	other.DurationToWaitForScriptToFinish = seconds(30)
	if r, err := h.b.StartScript(h.ctx, other); err != nil || r.ExitCode != 4 || printed("mine")(r) {
		h.Errorf("another operator's start of the same ticket: %+v, %v", r, err)
	}
	h.completed(c, 3)
}

func othersMutex(h *harness) {
	holder := h.holder(tentacle.FullIsolation)
	c := h.exclusive("exit 0")
	if _, err := h.b.StartScript(h.ctx, c); err != nil {
		h.Fatal(err)
	}
	wait := func(wanted tentacle.ProcessState) {
		for {
			r, err := h.b.GetStatus(h.ctx, tentacle.ScriptStatusRequestV2{Ticket: c.ScriptTicket})
			if err != nil {
				h.Fatal(err)
			}
			if r.State == wanted && (wanted == tentacle.Complete || printed(tentacle.StdoutDefault)(r)) {
				return
			}
			h.nap()
		}
	}
	wait(tentacle.Pending)
	h.cancel(holder)
	wait(tentacle.Complete)
}
