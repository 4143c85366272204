package scripts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/agent/internal/process/output"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// errTaken says that a ticket of the Store's own making is known already.
var errTaken = errors.New("the ticket is taken")

// StartScriptV1 starts the script of cmd, each time that it is called, under a ticket that it makes. It does not
// wait. A start that is refused has a ticket too, whose status says why, also after a restart; an error means
// that there is no ticket and nothing was started.
func (s *Store) StartScriptV1(ctx context.Context, operator string, cmd tentacle.StartScriptCommand) (tentacle.ScriptTicket, error) {
	for {
		id := tentacle.TicketV1(time.Now(), cmd.TaskID, s.made.Add(1))
		_, err := s.start(ctx, operator, cmd.Under(id), true)
		if errors.Is(err, errTaken) {
			continue // by an earlier daemon, or by an operator who chose that very name
		}
		return id, err
	}
}

// recordRefusal keeps a ticket that will not run as one that has ended. The decision is on the disk before the
// command is, so that nobody ever finds a ticket that could still be started.
func (s *Store) recordRefusal(t *ticket, code int32, why string) error {
	if err := os.Mkdir(t.dir, 0o700); err != nil {
		return err
	}
	batch := &batch{}
	batch.dir(s.tickets)
	err := batch.file(filepath.Join(t.dir, process.ClaimFile), 0o600, strings.NewReader(""))
	if err = errors.Join(err, batch.sync()); err != nil {
		return err
	}
	result, _, err := process.Decide(t.dir, process.Result{ExitCode: code, Line: why, Source: output.StdErr})
	if err != nil {
		return err
	}
	if err := process.WriteTicket(t.dir, t.record); err != nil {
		return err
	}
	t.record.Process = process.Spec{}
	t.change(func() { t.phase, t.result = finished, result })
	return nil
}

// GetStatusV1 is GetStatus; a ticket that is unknown, completed or another operator's is Complete 0.
func (s *Store) GetStatusV1(ctx context.Context, operator string, request tentacle.ScriptStatusRequest) (tentacle.ScriptStatusResponse, error) {
	if t := s.find(operator, request.Ticket.TaskID); t != nil {
		s.awaitNews(ctx, t, request.LastLogSequence)
	}
	return s.statusV1(ctx, operator, request)
}

func (s *Store) statusV1(ctx context.Context, operator string, request tentacle.ScriptStatusRequest) (tentacle.ScriptStatusResponse, error) {
	t := s.find(operator, request.Ticket.TaskID)
	if t == nil {
		return tentacle.UnknownV1(request.Ticket, request.LastLogSequence), nil
	}
	r, err := s.statusUpTo(ctx, t, request.Ticket, request.LastLogSequence, s.cfg.MaxStatus)
	return tentacle.ScriptStatusResponse(r), err
}

// CancelScriptV1 is CancelScript, but leaves no tombstone for an unknown ticket: no start can be under way for
// one that its sender cannot know yet.
func (s *Store) CancelScriptV1(ctx context.Context, operator string, cmd tentacle.CancelScriptCommand) (tentacle.ScriptStatusResponse, error) {
	if s.find(operator, cmd.Ticket.TaskID) == nil {
		return tentacle.UnknownV1(cmd.Ticket, cmd.LastLogSequence), nil
	}
	r, err := s.CancelScript(ctx, operator, tentacle.CancelScriptCommandV2(cmd))
	if r.ExitCode == tentacle.ExitUnknownScript { // it was completed meanwhile
		return tentacle.UnknownV1(cmd.Ticket, cmd.LastLogSequence), err
	}
	return tentacle.ScriptStatusResponse(r), err
}

// CompleteScriptV1 answers as GetStatusV1 for the last time, and completes the ticket as CompleteScript does. Its
// caller needs the answer, and will not ask again, so that a ticket that cannot be completed is only logged: it
// is swept like others that nobody completed.
func (s *Store) CompleteScriptV1(ctx context.Context, operator string, cmd tentacle.CompleteScriptCommand) (tentacle.ScriptStatusResponse, error) {
	r, err := s.statusV1(ctx, operator, tentacle.ScriptStatusRequest(cmd))
	if err != nil {
		return r, fmt.Errorf("reading the last output of script %s: %w", cmd.Ticket.TaskID, err)
	}
	if err := s.CompleteScript(ctx, operator, tentacle.CompleteScriptCommandV2{Ticket: cmd.Ticket}); err != nil {
		s.cfg.Logger.Error("Completing a script; it is swept later", "ticket", cmd.Ticket.TaskID, "error", err)
	}
	return r, nil
}
