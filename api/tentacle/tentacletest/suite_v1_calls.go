package tentacletest

import "github.com/mantledeploy/mantle/api/tentacle"

// v1 is the client of script service V1 of one operator.
type v1 struct {
	*harness
	client *tentacle.Client
}

func (h *harness) v1() v1 { return v1{h, h.a} }

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
	k, err := c.client.StartScriptV1(c.ctx, command)
	if err != nil || !tentacle.ValidTicket(k.TaskID) {
		c.Fatalf("the ticket is %q, %v", k.TaskID, err)
	}
	c.Cleanup(func() { c.tidy(k) })
	return k
}

func (c v1) checked(k tentacle.ScriptTicket, last int64, r tentacle.ScriptStatusResponse, err error) tentacle.ScriptStatusResponse {
	c.Helper()
	if err != nil {
		c.Fatalf("asking about %s by V1: %v", k.TaskID, err)
	}
	r.Logs = c.checkRange(tentacle.ScriptStatusResponseV2(r), k, last)
	return r
}

func (c v1) status(k tentacle.ScriptTicket, last int64) tentacle.ScriptStatusResponse {
	c.Helper()
	r, err := c.client.GetStatusV1(c.ctx, tentacle.ScriptStatusRequest{Ticket: k, LastLogSequence: last})
	return c.checked(k, last, r, err)
}

func (c v1) cancel(k tentacle.ScriptTicket, last int64) tentacle.ScriptStatusResponse {
	c.Helper()
	r, err := c.client.CancelScriptV1(c.ctx, tentacle.CancelScriptCommand{Ticket: k, LastLogSequence: last})
	return c.checked(k, last, r, err)
}

func (c v1) complete(k tentacle.ScriptTicket, last int64) tentacle.ScriptStatusResponse {
	c.Helper()
	r, err := c.client.CompleteScriptV1(c.ctx, tentacle.CompleteScriptCommand{Ticket: k, LastLogSequence: last})
	return c.checked(k, last, r, err)
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

// nothing checks the answer for a ticket that does not exist to the caller.
func (c v1) nothing(what string, r tentacle.ScriptStatusResponse, last int64) {
	c.Helper()
	if r.State != tentacle.Complete || r.ExitCode != 0 || len(r.Logs) != 0 || r.NextLogSequence != last {
		c.Errorf("%s: wanted Complete, 0 and no output, got %+v", what, r)
	}
}
