package scripts

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// digests are the SHA-256 of a script's text, and of the plan where it is a call of the engine. Neither says
// anything of arguments and of other files, which may hold secrets too short for a digest to hide.
func digests(cmd tentacle.StartScriptCommandV2, body string) (script, plan string, err error) {
	script = audit.Digest([]byte(body))
	stream, secrets, ok := step.IsCall(cmd, runtime.GOOS)
	if !ok || tooLong(stream, secrets) {
		return script, "", nil
	}
	data, err := readStream(stream)
	if err != nil {
		return "", "", err
	}
	return script, audit.Digest(data), nil
}

// entry is a line about the ticket.
func (t *ticket) entry(what, decision string) audit.Entry {
	return audit.Entry{
		What: what, Decision: decision, Operator: t.record.Operator, Ticket: t.record.Ticket,
		Script: t.record.Script, Plan: t.record.Plan,
	}
}

// auditStart records that a script is about to be started. What cannot be recorded is not done.
func (s *Store) auditStart(ctx context.Context, t *ticket) error {
	if err := s.cfg.Audit(ctx, t.entry(audit.Start, audit.Allowed)); err != nil {
		return fmt.Errorf("the start cannot be recorded, and what cannot be recorded is not done: %w", err)
	}
	return nil
}

// auditRefusal records that a script was not started, at its start or at its turn.
func (s *Store) auditRefusal(ctx context.Context, t *ticket, what string, err error) {
	e := t.entry(what, audit.Refused)
	refused, ok := errors.AsType[refusedError](err)
	named, byRule := errors.AsType[interface {
		error
		Rule() string
	}](err)
	switch {
	case byRule:
		e.Rule = named.Rule()
	case ok:
		e.Reason = refused.reason.Error()
	default:
		e.Reason = "it could not be prepared; the operator and the log were told why"
	}
	s.note(ctx, e)
}

// auditAnswer records a start that was answered without one, as its ticket is over or another operator's.
func (s *Store) auditAnswer(ctx context.Context, operator string, answer tentacle.ScriptStatusResponseV2) {
	s.note(ctx, audit.Entry{
		What: audit.Start, Decision: audit.Known, Operator: operator, Ticket: answer.Ticket.TaskID,
		Reason: fmt.Sprintf("nothing was started; the answer was exit code %d", answer.ExitCode),
	})
}

// auditKnown records that a start whose ticket is there asks for another script. t is settled.
func (s *Store) auditKnown(ctx context.Context, t *ticket, cmd tentacle.StartScriptCommandV2, body string) {
	script, plan, err := digests(cmd, body)
	if err != nil || t.record.Script == "" || script == t.record.Script && plan == t.record.Plan {
		return
	}
	e := t.entry(audit.Start, audit.Differs)
	e.Script, e.Plan, e.Reason = script, plan, "nothing was started; the ticket is that of another script"
	s.note(ctx, e)
}

// auditEnd records a cancel or a completion; of a ticket that is not there t is nil. A reason says that nothing comes of it.
func (s *Store) auditEnd(ctx context.Context, what, operator, id string, t *ticket) {
	e := audit.Entry{What: what, Decision: audit.Allowed, Operator: operator, Ticket: id}
	switch {
	case t == nil:
		e.Reason = "the operator has no such ticket"
	case t.newer:
		e.Reason = "a newer Tentacle made it; it is left as it is"
	case what == audit.Cancel && t.exitCode() != nil:
		e.Reason = "it had ended already"
	}
	s.note(ctx, e)
}

// note records what is done whether or not it can be recorded, as it ends things and begins none.
func (s *Store) note(ctx context.Context, e audit.Entry) {
	if err := s.cfg.Audit(ctx, e); err != nil {
		s.cfg.Logger.Error("This could not be recorded in the audit log", "what", e.What, "decision", e.Decision, "ticket", e.Ticket, "error", err)
	}
}
