package scripts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/tentacle"
)

const (
	defaultMutex = "RunningScript"
	maxWait      = time.Minute
)

// errShuttingDown is the sentence by which Octopus's client knows that trying again will help.
var errShuttingDown = errors.New("The Tentacle service is shutting down and cannot process this request.") //nolint:revive,staticcheck // the reference's words

// StartScript starts the script of cmd, unless its ticket is known: then it returns the status of that one,
// whatever cmd says. Concurrent and late calls are well. When it returns a status that is not a refusal, the
// script survives a restart of daemon and machine. It waits up to DurationToWaitForScriptToFinish, at most a
// minute, for the end. Refusals are a Complete status with one line on stderr; an error means that trying
// again may help, but for halibut.FinalError, which says that cmd is none.
func (s *Store) StartScript(ctx context.Context, operator string, cmd tentacle.StartScriptCommandV2) (tentacle.ScriptStatusResponseV2, error) {
	return s.start(ctx, operator, cmd, false)
}

// start is StartScript. Where the ticket is the Store's own choice (V1), it fails with errTaken if that is known
// already, and a refusal is recorded as a ticket that has ended.
func (s *Store) start(ctx context.Context, operator string, cmd tentacle.StartScriptCommandV2, own bool) (tentacle.ScriptStatusResponseV2, error) {
	none := tentacle.ScriptStatusResponseV2{}
	id := cmd.ScriptTicket
	body := scriptBody(cmd)
	key, refused := checkStart(cmd)
	if refused != nil {
		s.note(ctx, audit.Entry{What: audit.Start, Decision: audit.Refused, Operator: operator, Script: audit.Digest([]byte(body)), Reason: "its ticket is not one"})
		return *refused, nil
	}
	t, fresh, answer, err := s.makeWay(ctx, key, operator, cmd)
	if err != nil {
		return none, err
	}
	if own && !fresh {
		return none, errTaken
	}
	if answer != nil {
		s.auditAnswer(ctx, operator, *answer)
		return *answer, nil
	}
	if fresh {
		s.receive(ctx, t, cmd, body, own)
	}
	if refused, err := t.settled(ctx); refused != nil || err != nil {
		return *cmp.Or(refused, &none), err
	}
	if !fresh {
		s.auditKnown(ctx, t, cmd, body)
	}
	if wait := cmd.DurationToWaitForScriptToFinish; wait != nil {
		s.awaitEnd(ctx, t, min(time.Duration(*wait), maxWait))
	}
	return s.status(ctx, t, id, 0)
}

// checkStart returns what a command's ticket is known by, or why it is not one.
func checkStart(cmd tentacle.StartScriptCommandV2) (key string, refused *tentacle.ScriptStatusResponseV2) {
	key, ok := ticketKey(cmd.ScriptTicket.TaskID)
	if ok {
		return key, nil
	}
	r := refusal(cmd.ScriptTicket, tentacle.ExitBadTicket, "The ticket is refused: it must be 1 to 100 of the characters A-Z a-z 0-9 . _ - without a dot at its end, and no name of a Windows device")
	return "", &r
}

// settled waits until the ticket is recorded, or returns why it never will be.
func (t *ticket) settled(ctx context.Context) (refused *tentacle.ScriptStatusResponseV2, err error) {
	select {
	case <-t.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return t.refusal, t.failure
}

// makeWay is admit, which makes room where the operator has as many tickets as it may.
func (s *Store) makeWay(ctx context.Context, key, operator string, cmd tentacle.StartScriptCommandV2) (t *ticket, fresh bool, answer *tentacle.ScriptStatusResponseV2, err error) {
	t, fresh, answer, err = s.admit(key, operator, cmd)
	for errors.Is(err, errTooMany) && s.retire(ctx, operator) {
		t, fresh, answer, err = s.admit(key, operator, cmd)
	}
	if errors.Is(err, errTooMany) {
		s.note(ctx, audit.Entry{
			What: audit.Start, Decision: audit.Refused, Operator: operator, Ticket: cmd.ScriptTicket.TaskID,
			Script: audit.Digest([]byte(scriptBody(cmd))), Reason: errTooMany.Error(),
		})
		s.sweep() // so that it passes even where nothing else sweeps
	}
	return t, fresh, answer, err
}

// admit returns the ticket of a start, fresh when this call made it, or the answer where there is no more
// to do.
func (s *Store) admit(key, operator string, cmd tentacle.StartScriptCommandV2) (t *ticket, fresh bool, answer *tentacle.ScriptStatusResponseV2, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := cmd.ScriptTicket
	if t := s.owned(operator, key); t != nil {
		if t.isCompleted() {
			return nil, false, alreadyCompleted(id, t.exitCode()), nil
		}
		return t, false, nil, nil
	}
	stone, err := s.ownStone(operator, key)
	if err != nil {
		return nil, false, nil, err
	}
	if stone != nil {
		return nil, false, stone.answer(id), nil
	}
	if s.life.Err() != nil {
		return nil, false, nil, errShuttingDown
	}
	if err := s.checkCount(operator); err != nil {
		return nil, false, nil, err
	}
	name, free, err := s.freeName(operator, key)
	if err != nil {
		return nil, false, nil, err
	}
	if !free {
		return nil, false, unknown(id, 0), nil
	}
	t = s.newTicket(name, s.newRecord(operator, name, cmd))
	t.fresh = true
	s.known[name] = t
	s.alive.Add(1) // given back by receive; Close waits for it
	return t, true, nil, nil
}

// newRecord is what is kept of a command. One that asks for too much will be refused, so nothing is kept of it.
func (s *Store) newRecord(operator, name string, cmd tentacle.StartScriptCommandV2) record {
	if checkSize(cmd) != nil {
		cmd = tentacle.StartScriptCommandV2{ScriptTicket: cmd.ScriptTicket}
	}
	r := record{
		Version: process.Version, Ticket: cmd.ScriptTicket.TaskID, Operator: operator, TaskID: cmd.TaskID,
		Arrived: time.Now().UTC(), Mutex: defaultMutex, Exclusive: cmd.Isolation == tentacle.FullIsolation,
		Timeout: max(time.Duration(cmd.ScriptIsolationMutexTimeout), 0),
	}
	if name := cmd.IsolationMutexName; name != nil {
		r.Mutex = *name
	}
	r.Process = scriptCommand(s.workFolder(r.Ticket+nameMark(name)), cmd.Arguments)
	r.Process.Grace, r.Process.Abandon, r.Process.Drain = s.cfg.Grace, s.cfg.Abandon, s.cfg.Drain
	r.Process.Output = s.cfg.Output
	if a := s.cfg.Account; !a.IsSelf() {
		r.Process.User = a.Name
	}
	return r
}

// receive brings a ticket from received to recorded, or forgets it. With own, a refusal is recorded too.
func (s *Store) receive(ctx context.Context, t *ticket, cmd tentacle.StartScriptCommandV2, body string, own bool) {
	defer s.alive.Done()
	defer t.settle()
	err := s.judge(ctx, t, cmd, body)
	var place *turn
	if err == nil {
		place = s.joinWith(t)
		err = s.prepare(ctx, t, cmd, body)
	}
	if err == nil { // from here on it is recorded, and will run
		t.record.Process = process.Spec{} // for the supervisor, who reads it in the journal
		t.change(func() { t.phase = recorded })
		if place == nil {
			place = s.mutexes.join(t.record)
		}
		s.follow(t, place)
		return
	}
	s.auditRefusal(ctx, t, audit.Start, err)
	t.drop()
	s.mutexes.leave(place)
	s.discard(t)
	if code, line := refusedWith(err); code != 0 {
		if own {
			if err = s.recordRefusal(t, code, line); err == nil {
				return
			}
			s.discard(t)
		} else {
			r := refusal(cmd.ScriptTicket, code, line)
			t.refusal, err = &r, nil
		}
	}
	if err != nil {
		t.failure = fmt.Errorf("preparing script %s: %w", t.record.Ticket, err)
	}
	s.mu.Lock()
	delete(s.known, t.key)
	s.mu.Unlock()
}

// joinWith gives a step its place at the mutex before it is recorded, so that it can be recorded with its turn: its claim
// then need not be synced. Other scripts, which may be long in coming, get theirs afterwards.
func (s *Store) joinWith(t *ticket) *turn {
	if !t.record.Process.Call {
		return nil
	}
	place := s.mutexes.join(t.record)
	select {
	case <-place.granted:
		t.record.Process.Boot = process.Boot()
	default:
	}
	return place
}

// awaitEnd waits until the ticket is finished.
func (s *Store) awaitEnd(ctx context.Context, t *ticket, patience time.Duration) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		phase, _, changed := t.snapshot()
		if phase == finished {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		case <-s.life.Done():
			return
		}
	}
}
