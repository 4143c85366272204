package tentacletest

import (
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// v1 is the client of script service V1 of one operator.
type v1 struct {
	*harness
	wire *halibut.Client
}

func (h *harness) v1() v1 { return v1{h, h.wire} }

func callV1[R any](c v1, method string, params ...any) (r R) {
	c.Helper()
	err := c.wire.Call(c.ctx, c.subject.Endpoint, halibut.Call{
		Service: tentacle.ScriptServiceV1Name, Method: method, Params: params, Result: &r,
	})
	if err != nil {
		c.Fatalf("%s by V1: %v", method, err)
	}
	return r
}

// command is a script that nobody needs to wait for.
func (c v1) command(body string) tentacle.StartScriptCommand {
	task := "ServerTasks-1"
	return tentacle.StartScriptCommand{
		ScriptBody: body, Scripts: map[string]string{}, Files: []tentacle.ScriptFile{}, Arguments: []string{},
		TaskID: &task, IsolationMutexName: &c.mutex,
	}
}

func (c v1) start(command tentacle.StartScriptCommand) tentacle.ScriptTicket {
	c.Helper()
	k := callV1[tentacle.ScriptTicket](c, "StartScript", command)
	if !tentacle.ValidTicket(k.TaskID) {
		c.Fatalf("the ticket is %q", k.TaskID)
	}
	c.Cleanup(func() { c.tidy(k) })
	return k
}

func (c v1) checked(r tentacle.ScriptStatusResponse, k tentacle.ScriptTicket, last int64) tentacle.ScriptStatusResponse {
	c.Helper()
	c.checkRange(tentacle.ScriptStatusResponseV2(r), k, last)
	return r
}

func (c v1) status(k tentacle.ScriptTicket, last int64) tentacle.ScriptStatusResponse {
	c.Helper()
	return c.checked(callV1[tentacle.ScriptStatusResponse](c, "GetStatus", tentacle.ScriptStatusRequest{Ticket: k, LastLogSequence: last}), k, last)
}

func (c v1) cancel(k tentacle.ScriptTicket, last int64) tentacle.ScriptStatusResponse {
	c.Helper()
	return c.checked(callV1[tentacle.ScriptStatusResponse](c, "CancelScript", tentacle.CancelScriptCommand{Ticket: k, LastLogSequence: last}), k, last)
}

func (c v1) complete(k tentacle.ScriptTicket, last int64) tentacle.ScriptStatusResponse {
	c.Helper()
	return c.checked(callV1[tentacle.ScriptStatusResponse](c, "CompleteScript", tentacle.CompleteScriptCommand{Ticket: k, LastLogSequence: last}), k, last)
}

// follow asks again and again until the script has ended, and returns its whole output.
func (c v1) follow(k tentacle.ScriptTicket, ask func(tentacle.ScriptTicket, int64) tentacle.ScriptStatusResponse) (result, int64) {
	c.Helper()
	var all []tentacle.ProcessOutput
	last := int64(0)
	for {
		r := ask(k, last)
		last = r.NextLogSequence
		if all = append(all, r.Logs...); r.State == tentacle.Complete {
			return result{r.ExitCode, all}, last
		}
		c.nap()
	}
}

func (c v1) run(command tentacle.StartScriptCommand) result {
	c.Helper()
	r, _ := c.follow(c.start(command), c.status)
	return r
}

// nothing checks the answer for a ticket that does not exist to the caller.
func (c v1) nothing(what string, r tentacle.ScriptStatusResponse, last int64) {
	c.Helper()
	if r.State != tentacle.Complete || r.ExitCode != 0 || len(r.Logs) != 0 || r.NextLogSequence != last {
		c.Errorf("%s: wanted Complete, 0 and no output, got %+v", what, r)
	}
}
