package session

import (
	"context"
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// scripts is a machine's script service, of either version.
type scripts interface {
	// start starts a script. Use the ticket in the answer for further calls.
	start(ctx context.Context, command tentacle.StartScriptCommandV2) (tentacle.ScriptStatusResponseV2, error)
	status(ctx context.Context, ticket tentacle.ScriptTicket, last int64) (tentacle.ScriptStatusResponseV2, error)
	cancel(ctx context.Context, ticket tentacle.ScriptTicket, last int64) (tentacle.ScriptStatusResponseV2, error)
	complete(ctx context.Context, ticket tentacle.ScriptTicket, last int64) error
	// wait is status that the machine holds until there is news. Only a Mantle Tentacle has it.
	wait(ctx context.Context, ticket tentacle.ScriptTicket, last int64, longest time.Duration) (tentacle.ScriptStatusResponseV2, error)
	// finds reports whether the machine knows a script under the operator's own ticket.
	finds() bool
}

// scripts returns the script service that the machine offers.
func (s *Session) scripts(ctx context.Context) (scripts, error) {
	facts, err := s.Facts(ctx)
	if err != nil {
		return nil, err
	}
	return s.scriptsOf(facts), nil
}

func (s *Session) scriptsOf(facts tentacle.Facts) scripts { return scriptsOf(facts, s.Client) }

func scriptsOf(facts tentacle.Facts, client *tentacle.Client) scripts {
	waits := waiting{client}
	if !facts.Has(tentacle.ScriptServiceV2Name) && facts.Has(tentacle.ScriptServiceV1Name) {
		return scriptsV1{client, waits}
	}
	return scriptsV2{client, waits}
}

// waiting is IMantleScriptServiceV1.
type waiting struct{ client *tentacle.Client }

func (s waiting) wait(ctx context.Context, ticket tentacle.ScriptTicket, last int64, longest time.Duration) (tentacle.ScriptStatusResponseV2, error) {
	return s.client.WaitForStatus(ctx, tentacle.WaitForStatusCommandV1{Ticket: ticket, LastLogSequence: last, MaxWait: halibut.TimeSpan(longest)})
}

// scriptsV2 is IScriptServiceV2.
type scriptsV2 struct {
	*tentacle.Client
	waiting
}

func (s scriptsV2) start(ctx context.Context, command tentacle.StartScriptCommandV2) (tentacle.ScriptStatusResponseV2, error) {
	r, err := s.StartScript(ctx, command)
	r.Ticket = command.ScriptTicket
	return r, err
}

func (s scriptsV2) status(ctx context.Context, ticket tentacle.ScriptTicket, last int64) (tentacle.ScriptStatusResponseV2, error) {
	return s.GetStatus(ctx, tentacle.ScriptStatusRequestV2{Ticket: ticket, LastLogSequence: last})
}

func (s scriptsV2) cancel(ctx context.Context, ticket tentacle.ScriptTicket, last int64) (tentacle.ScriptStatusResponseV2, error) {
	return s.CancelScript(ctx, tentacle.CancelScriptCommandV2{Ticket: ticket, LastLogSequence: last})
}

func (s scriptsV2) complete(ctx context.Context, ticket tentacle.ScriptTicket, _ int64) error {
	return s.CompleteScript(ctx, tentacle.CompleteScriptCommandV2{Ticket: ticket})
}

func (scriptsV2) finds() bool { return true }

// maxTicket bounds a ticket that a machine chooses, in bytes.
const maxTicket = 1024

// scriptsV1 is IScriptService: the machine chooses the ticket, and forgets it when its process ends.
type scriptsV1 struct {
	*tentacle.Client
	waiting
}

func (s scriptsV1) start(ctx context.Context, c tentacle.StartScriptCommandV2) (tentacle.ScriptStatusResponseV2, error) {
	ticket, err := s.StartScriptV1(ctx, tentacle.StartScriptCommand{ScriptBody: c.ScriptBody, Isolation: c.Isolation, Scripts: c.Scripts, Files: c.Files,
		Arguments: c.Arguments, TaskID: &c.TaskID, ScriptIsolationMutexTimeout: c.ScriptIsolationMutexTimeout, IsolationMutexName: c.IsolationMutexName})
	if err == nil && len(ticket.TaskID) > maxTicket {
		err = fmt.Errorf("the machine's ticket has %d bytes, more than %d", len(ticket.TaskID), maxTicket)
	}
	return tentacle.ScriptStatusResponseV2{Ticket: ticket, State: tentacle.Pending}, err
}

func (s scriptsV1) status(ctx context.Context, ticket tentacle.ScriptTicket, last int64) (tentacle.ScriptStatusResponseV2, error) {
	r, err := s.GetStatusV1(ctx, tentacle.ScriptStatusRequest{Ticket: ticket, LastLogSequence: last})
	return tentacle.ScriptStatusResponseV2(r), err
}

func (s scriptsV1) cancel(ctx context.Context, ticket tentacle.ScriptTicket, last int64) (tentacle.ScriptStatusResponseV2, error) {
	r, err := s.CancelScriptV1(ctx, tentacle.CancelScriptCommand{Ticket: ticket, LastLogSequence: last})
	return tentacle.ScriptStatusResponseV2(r), err
}

func (s scriptsV1) complete(ctx context.Context, ticket tentacle.ScriptTicket, last int64) error {
	_, err := s.CompleteScriptV1(ctx, tentacle.CompleteScriptCommand{Ticket: ticket, LastLogSequence: last})
	return err
}

func (scriptsV1) finds() bool { return false }
