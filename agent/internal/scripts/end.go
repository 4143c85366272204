package scripts

import (
	"context"
	"fmt"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// CancelScript asks for the end of a script and returns its status at once, which is seldom Complete yet. The
// wish is durable when it returns. It may be repeated. For a ticket that never arrived it leaves a
// tombstone, so that a start that is still under way runs nothing.
func (s *Store) CancelScript(ctx context.Context, operator string, cmd tentacle.CancelScriptCommandV2) (tentacle.ScriptStatusResponseV2, error) {
	for {
		t := s.find(operator, cmd.Ticket.TaskID)
		if t != nil {
			if _, err := t.settled(ctx); err != nil && ctx.Err() != nil {
				return tentacle.ScriptStatusResponseV2{}, ctx.Err()
			}
		}
		if t != nil && !t.isGone() {
			return s.cancelKnown(ctx, operator, t, cmd)
		}
		appeared, err := s.cancelUnknown(ctx, operator, cmd.Ticket.TaskID)
		if err != nil {
			s.sweep() // which may help where too many were cancelled
			return tentacle.ScriptStatusResponseV2{}, err
		}
		if !appeared {
			return *unknown(cmd.Ticket, cmd.LastLogSequence), nil
		}
	}
}

func (s *Store) cancelKnown(ctx context.Context, operator string, t *ticket, cmd tentacle.CancelScriptCommandV2) (tentacle.ScriptStatusResponseV2, error) {
	if !t.isCancelled() {
		s.auditEnd(ctx, audit.Cancel, operator, cmd.Ticket.TaskID, t)
	}
	if err := s.cancel(t); err != nil {
		return tentacle.ScriptStatusResponseV2{}, err
	}
	return s.status(ctx, t, cmd.Ticket, cmd.LastLogSequence)
}

// cancel makes a cancel durable and tells the ticket's goroutine.
func (s *Store) cancel(t *ticket) error {
	if t.newer {
		return t.untouched()
	}
	t.occupied.Lock()
	defer t.occupied.Unlock()
	if phase, _, _ := t.snapshot(); phase == finished || phase == received {
		return nil
	}
	if !t.isCancelled() {
		if err := process.Mark(t.dir, process.CancelFile); err != nil {
			return fmt.Errorf("cancelling script %s: %w", t.record.Ticket, err)
		}
		t.change(func() { t.cancelled = true })
	}
	select {
	case t.poke <- struct{}{}:
	default:
	}
	return nil
}

// cancelUnknown leaves a tombstone where neither a ticket nor a tombstone is. appeared says that operator has a
// ticket of that name after all, which came since the caller looked. While the tombstone is written there is a
// ticket in its place, so that a start waits for it and nobody else does.
func (s *Store) cancelUnknown(ctx context.Context, operator, id string) (appeared bool, err error) {
	key, ok := ticketKey(id)
	if !ok {
		s.auditEnd(ctx, audit.Cancel, operator, id, nil)
		return false, nil
	}
	s.mu.Lock()
	if other := s.owned(operator, key); other != nil {
		s.mu.Unlock()
		if appeared = !other.isCompleted(); !appeared {
			s.auditEnd(ctx, audit.Cancel, operator, id, nil)
		}
		return appeared, nil
	}
	stone, err := s.ownStone(operator, key)
	name, free := "", false
	if stone == nil && err == nil {
		name, free, err = s.freeName(operator, key)
	}
	if !free || err != nil {
		s.mu.Unlock()
		s.auditEnd(ctx, audit.Cancel, operator, id, nil)
		return false, err
	}
	if err := s.admitCancel(operator); err != nil {
		s.mu.Unlock()
		return false, err
	}
	return false, s.cancelEarly(ctx, operator, id, name)
}

// cancelEarly leaves the tombstone of a ticket that never arrived. s.mu is held, and is not when it returns.
func (s *Store) cancelEarly(ctx context.Context, operator, id, name string) (err error) {
	stone := tombstone{Ticket: id, Operator: operator, Cancelled: true}
	t := s.newTicket(name, record{Ticket: id, Operator: operator})
	s.known[name] = t
	s.mu.Unlock()
	defer t.settle()
	if err = s.setTombstone(name, stone, true); err != nil {
		s.dropCancel(operator)
		t.failure = fmt.Errorf("cancelling script %s: %w", id, err)
	} else {
		t.refusal = stone.answer(tentacle.ScriptTicket{TaskID: id})
		s.note(ctx, t.entry(audit.Cancel, audit.Allowed)) // a start that comes late is refused, so this changes something
	}
	s.mu.Lock()
	delete(s.known, name)
	s.mu.Unlock()
	return t.failure
}

// CompleteScript says that the operator has the result. A finished ticket is replaced by its tombstone; one
// that waits is cancelled; one that runs goes on, answers as its tombstone will, and gets it when it ends. An
// unknown ticket is well. An error means that trying again may help.
func (s *Store) CompleteScript(ctx context.Context, operator string, cmd tentacle.CompleteScriptCommandV2) error {
	t := s.find(operator, cmd.Ticket.TaskID)
	if t != nil && t.orphan {
		t = nil // it is not this operator's to forget, as far as anybody knows
	}
	s.auditEnd(ctx, audit.Complete, operator, cmd.Ticket.TaskID, t)
	if t == nil {
		return nil
	}
	select {
	case <-t.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := s.complete(t); err != nil {
		return fmt.Errorf("completing script %s: %w", t.record.Ticket, err)
	}
	s.sweep()
	return nil
}

func (s *Store) complete(t *ticket) error {
	if t.newer {
		return t.untouched()
	}
	if phase, _, _ := t.snapshot(); phase == recorded {
		if err := s.cancel(t); err != nil {
			return err
		}
	}
	t.occupied.Lock()
	defer t.occupied.Unlock()
	phase, _, _ := t.snapshot()
	if phase == received || t.isCompleted() {
		return nil
	}
	if phase != finished {
		if err := process.Mark(t.dir, process.CompletedFile); err != nil {
			return err
		}
	}
	t.change(func() { t.completed = true })
	if phase, _, _ = t.snapshot(); phase != finished {
		return nil // finish sees that it is completed
	}
	if err := s.bury(t); err != nil {
		t.change(func() { t.completed = false })
		return err
	}
	return nil
}
