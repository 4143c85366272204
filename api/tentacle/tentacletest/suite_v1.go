package tentacletest

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

func v1Cases() []testCase {
	return []testCase{
		{name: "V1 script runs and tells its output and exit code", run: v1Run},
		{name: "V1 start runs a script each time", run: v1StartTwice},
		{name: "V1 ticket is made of time, task and number", run: v1Tickets},
		{name: "V1 start that is refused has a ticket", run: v1Refused},
		{name: "V1 ticket that is nobody's, another's or completed", run: v1Unknown},
		{name: "V1 complete has the last output", run: v1Complete},
		{name: "V1 complete of a running script lets it go on", run: v1CompleteRunning},
		{name: "V1 cancel ends a running script", run: v1Cancel},
		{name: "V1 cancel of a waiting script runs nothing", run: v1CancelWaiting},
		{name: "V1 and V2 share a mutex", run: v1Mutex},
		{name: "V1 null ticket and null body are errors", run: v1Nulls},
		{name: "V1 types have two names", run: v1Names},
	}
}

func v1Run(h *harness) {
	c := h.v1()
	command := c.command("exit 9")
	command.Scripts = map[string]string{tentacle.BashScript: "cat f; echo \"$1\"; echo bad >&2; exit 5"}
	command.Files = []tentacle.ScriptFile{{Name: "f", Contents: halibut.NewDataStreamBytes([]byte("from a file\n"))}}
	command.Arguments = []string{"one"}
	k := c.start(command)
	r, last := c.follow(k, c.status)
	h.equal([]string{"from a file", "one"}, r.lines(tentacle.StdOut))
	h.equal([]string{"bad"}, r.lines(tentacle.StdErr))
	if end := c.complete(k, last); r.exitCode != 5 || end.State != tentacle.Complete || end.ExitCode != 5 || len(end.Logs) != 0 {
		h.Fatalf("exit code %d, and completed it is %+v", r.exitCode, end)
	}
	c.nothing("completed", c.status(k, last), last)
}

func v1StartTwice(h *harness) {
	c := h.v1()
	mark, count := h.marker()
	first, second := c.start(c.command(mark)), c.start(c.command(mark))
	for _, k := range []tentacle.ScriptTicket{first, second} {
		if r, _ := c.follow(k, c.status); r.exitCode != 0 {
			h.Errorf("it ended with %d: %v", r.exitCode, r.logs)
		}
	}
	if first == second || count() != 2 {
		h.Fatalf("the tickets are %v and %v, and %d scripts ran", first, second, count())
	}
}

func v1Tickets(h *harness) {
	c := h.v1()
	text := func(s string) *string { return &s }
	for _, task := range []struct {
		id   *string
		form string
	}{
		{text("ServerTasks-12"), `12`},
		{text("task one/.."), `task-one-\.\.`},
		{text(strings.Repeat("x", 200)), `x{60}`},
		{text(""), ``},
		{nil, ``},
	} {
		command := c.command("exit 4")
		command.TaskID = task.id
		k := c.start(command)
		if !regexp.MustCompile(`^20\d{12}-` + task.form + `-\d+$`).MatchString(k.TaskID) {
			h.Errorf("the ticket for %s is %q", task.form, k.TaskID)
		}
		if r, _ := c.follow(k, c.status); r.exitCode != 4 {
			h.Errorf("%s ended with %d: %v", k.TaskID, r.exitCode, r.logs)
		}
	}
}

func v1Refused(h *harness) {
	c := h.v1()
	mark, count := h.marker()
	command := c.command(mark)
	command.Files = []tentacle.ScriptFile{{Name: "../escaped", Contents: halibut.NewDataStreamBytes([]byte("x"))}}
	k := c.start(command)
	r, last := c.follow(k, c.status)
	h.refused(tentacle.ScriptStatusResponseV2{State: tentacle.Complete, Logs: r.logs, ExitCode: r.exitCode}, tentacle.ExitBadTicket)
	h.refused(tentacle.ScriptStatusResponseV2(c.cancel(k, 0)), tentacle.ExitBadTicket)
	if end := c.complete(k, last); end.ExitCode != tentacle.ExitBadTicket || count() != 0 {
		h.Fatalf("completed it is %+v, and ran %d times", end, count())
	}
	c.nothing("completed", c.status(k, last), last)
}

func v1Unknown(h *harness) {
	c := h.v1()
	mine := c.start(c.command("echo mine; sleep 60"))
	h.until(mine, printed("mine")) // V2 sees the same scripts
	over := c.start(c.command("echo over"))
	_, last := c.follow(over, c.status)
	c.complete(over, last)
	other := v1{h, h.b}
	for what, k := range map[string]tentacle.ScriptTicket{"nobody's": h.ticket(), "bad": {TaskID: "../x"}, "empty": {}, "completed": over} {
		c.nothing(what+" GetStatus", c.status(k, 17), 17)
		c.nothing(what+" CancelScript", c.cancel(k, 3), 3)
		c.nothing(what+" CompleteScript", c.complete(k, 0), 0)
	}
	other.nothing("another's GetStatus", other.status(mine, 0), 0)
	other.nothing("another's CancelScript", other.cancel(mine, 0), 0)
	other.nothing("another's CompleteScript", other.complete(mine, 0), 0)
	if r := c.status(mine, 0); r.State != tentacle.Running {
		h.Fatalf("after all that it is %+v", r)
	}
}

func v1Complete(h *harness) {
	c := h.v1()
	k := c.start(c.command("echo a; echo b; exit 3"))
	h.until(k, func(r tentacle.ScriptStatusResponseV2) bool { return r.State == tentacle.Complete })
	r := c.complete(k, 1)
	if r.State != tentacle.Complete || r.ExitCode != 3 || len(r.Logs) != 1 || r.Logs[0].Text != "b" {
		h.Fatalf("completed it is %+v", r)
	}
	h.unknown(h.status(k, 0), 0)
}

func v1CompleteRunning(h *harness) {
	c := h.v1()
	mark, count := h.marker()
	gate := h.scratch() + "/gate"
	k := c.start(c.command("echo ready; until test -e '" + gate + "'; do sleep 0.1; done\n" + mark))
	h.until(k, printed("ready"))
	if r := c.complete(k, 0); r.State != tentacle.Running || len(r.Logs) != 1 {
		h.Fatalf("completed while it runs it is %+v", r)
	}
	c.nothing("completed", c.status(k, 1), 1)
	h.run(h.free("touch '" + gate + "'"))
	for count() == 0 {
		h.nap()
	}
}

func v1Cancel(h *harness) {
	c := h.v1()
	k := c.start(c.command("echo ready; sleep 78; echo never"))
	h.until(k, printed("ready"))
	began := time.Now()
	c.cancel(k, 0)
	if took := time.Since(began); took > 20*time.Second {
		h.Errorf("CancelScript took %v", took)
	}
	r, _ := c.follow(k, c.cancel) // as Octopus's client polls once it has been cancelled
	if r.exitCode != tentacle.ExitCanceled || !slices.Equal(r.lines(tentacle.StdOut), []string{"ready"}) {
		h.Fatalf("cancelled it is %+v", r)
	}
}

func v1CancelWaiting(h *harness) {
	c := h.v1()
	holder := h.holder(tentacle.FullIsolation)
	mark, count := h.marker()
	command := c.command(mark)
	command.Isolation = tentacle.FullIsolation
	k := c.start(command)
	c.cancel(k, 0)
	if r, _ := c.follow(k, c.cancel); r.exitCode != tentacle.ExitCanceled {
		h.Errorf("cancelled it is %+v", r)
	}
	h.cancel(holder)
	h.follow(holder)
	if h.run(h.exclusive("exit 0")); count() != 0 {
		h.Fatalf("it ran all the same")
	}
}

func v1Mutex(h *harness) {
	c := h.v1()
	holder := h.holder(tentacle.FullIsolation)
	command := c.command("echo mine; sleep 79")
	command.Isolation = tentacle.FullIsolation
	k := c.start(command)
	h.until(k, printed(tentacle.StdoutDefault))
	if r := c.status(k, 0); r.State != tentacle.Pending {
		h.Errorf("behind a script of V2 it is %+v", r)
	}
	h.cancel(holder)
	h.until(k, printed("mine"))
	second := h.waiting(h.exclusive("exit 6"))
	c.cancel(k, 0)
	if r := h.follow(second); r.exitCode != 6 {
		h.Fatalf("behind a script of V1: %+v", r)
	}
}

func v1Nulls(h *harness) {
	const service = tentacle.ScriptServiceV1Name
	var r tentacle.ScriptStatusResponse
	var k tentacle.ScriptTicket
	h.final("start without a body", h.call(service, "StartScript", object{typeName: tentacle.StartScriptCommand{}.HalibutType()}, &k))
	h.final("status", h.call(service, "GetStatus", object{typeName: tentacle.ScriptStatusRequest{}.HalibutType()}, &r))
	h.final("cancel", h.call(service, "CancelScript", object{typeName: tentacle.CancelScriptCommand{}.HalibutType()}, &r))
	h.final("complete", h.call(service, "CompleteScript", object{typeName: tentacle.CompleteScriptCommand{}.HalibutType()}, &r))
	err := h.wire.Call(h.ctx, h.subject.Endpoint, halibut.Call{Service: service, Method: "StartScriptAsync"})
	h.kind("the name of its method in .NET", err, halibut.MethodNotFound)
}

func v1Names(h *harness) {
	const service = tentacle.ScriptServiceV1Name
	body := "exit 3"
	for i, name := range append(tentacle.StartScriptCommand{}.HalibutAliases(), tentacle.StartScriptCommand{}.HalibutType()) {
		var k tentacle.ScriptTicket
		if err := h.call(service, "StartScript", object{typeName: name, Body: &body}, &k); err != nil {
			h.Fatal(err)
		}
		types := [][]string{
			append(tentacle.ScriptStatusRequest{}.HalibutAliases(), tentacle.ScriptStatusRequest{}.HalibutType()),
			append(tentacle.CancelScriptCommand{}.HalibutAliases(), tentacle.CancelScriptCommand{}.HalibutType()),
			append(tentacle.CompleteScriptCommand{}.HalibutAliases(), tentacle.CompleteScriptCommand{}.HalibutType()),
		}
		h.until(k, func(r tentacle.ScriptStatusResponseV2) bool { return r.State == tentacle.Complete })
		for m, method := range []string{"GetStatus", "CancelScript", "CompleteScript"} {
			var r tentacle.ScriptStatusResponse
			err := h.call(service, method, object{typeName: types[m][i], Ticket: &ticketOrNull{&k.TaskID}}, &r)
			if err != nil || r.State != tentacle.Complete || r.ExitCode != 3 {
				h.Errorf("%s with %s: %+v, %v", method, types[m][i], r, err)
			}
		}
	}
}
