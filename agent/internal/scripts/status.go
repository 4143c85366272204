package scripts

import (
	"context"
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/agent/internal/process/output"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// enough is how much new output WaitForStatus does not hold back, in bytes as output.Entry.Size counts.
const enough = 64 << 10

// GetStatus returns the state of a ticket and its output after a sequence. Of a ticket that is unknown,
// completed or another operator's it is Complete -45. Where a script runs and has no news it waits for some, as Config.Hold says;
// that ends early with ctx.
func (s *Store) GetStatus(ctx context.Context, operator string, request tentacle.ScriptStatusRequestV2) (tentacle.ScriptStatusResponseV2, error) {
	t := s.find(operator, request.Ticket.TaskID)
	if t != nil {
		s.awaitNews(ctx, t, request.LastLogSequence)
		t = s.find(operator, request.Ticket.TaskID) // it may be completed meanwhile
	}
	if t == nil {
		return *unknown(request.Ticket, request.LastLogSequence), nil
	}
	return s.statusUpTo(ctx, t, request.Ticket, request.LastLogSequence, s.cfg.MaxStatus)
}

// awaitNews waits while a script runs and has printed nothing after a sequence, and a little longer where it prints then.
func (s *Store) awaitNews(ctx context.Context, t *ticket, after int64) {
	if phase, _, _ := t.snapshot(); phase != running || s.cfg.Hold <= 0 || t.newer || t.orphan || t.hasOutput(after) {
		return
	}
	timer := time.NewTimer(s.cfg.Hold)
	defer timer.Stop()
	for settling := false; ; {
		phase, _, changed := t.snapshot()
		if phase != running || t.isCompleted() {
			return
		}
		if !settling && t.hasOutput(after) {
			settling = true
			timer.Reset(s.cfg.Settle)
		}
		if !s.awaitChange(ctx, changed, timer.C) {
			return
		}
	}
}

// awaitChange waits for a change of a ticket, and says whether that came before all that ends the wait.
func (s *Store) awaitChange(ctx context.Context, changed <-chan struct{}, over <-chan time.Time) bool {
	select {
	case <-changed:
		return true
	case <-over:
	case <-ctx.Done():
	case <-s.life.Done():
	}
	return false
}

// hasOutput says whether there is output after a sequence. What cannot be read is for the answer to tell.
func (t *ticket) hasOutput(after int64) bool {
	p := t.page(after)
	_, more, err := p.reader.ReadWithin(0)
	return more || err != nil
}

// WaitForStatus is GetStatus that waits, at most MaxWait and a minute, until there is something to say: the
// ticket is Complete or unknown, or its state changes, or 64 KiB of output are new, or a little time has
// passed after the first new line. It ends early with ctx, and when the Store is closed.
func (s *Store) WaitForStatus(ctx context.Context, operator string, cmd tentacle.WaitForStatusCommandV1) (tentacle.ScriptStatusResponseV2, error) { //nolint:cyclop // all that may end the wait stands in one select
	t := s.find(operator, cmd.Ticket.TaskID)
	switch {
	case t == nil:
		return *unknown(cmd.Ticket, cmd.LastLogSequence), nil
	case t.newer || t.orphan:
		return s.status(ctx, t, cmd.Ticket, cmd.LastLogSequence)
	}
	first, _, _ := t.snapshot()
	p := t.page(cmd.LastLogSequence)
	timer := time.NewTimer(min(max(time.Duration(cmd.MaxWait), 0), maxWait))
	defer timer.Stop()
	settle := time.NewTimer(time.Hour)
	defer settle.Stop()
	for settled := false; ; {
		phase, result, changed := t.snapshot()
		if t.isGone() {
			return *unknown(cmd.Ticket, cmd.LastLogSequence), nil
		}
		if err := s.gather(ctx, p, s.cfg.MaxReply); err != nil {
			return tentacle.ScriptStatusResponseV2{}, err
		}
		if phase == finished || phase.state() != first.state() || p.size >= enough || p.more {
			return s.respond(t, cmd.Ticket, p, phase, result), nil
		}
		if p.size > 0 && !settled {
			settled = true
			settle.Reset(s.cfg.Settle)
		}
		select {
		case <-changed:
			continue
		case <-ctx.Done():
			return tentacle.ScriptStatusResponseV2{}, ctx.Err()
		case <-settle.C:
		case <-timer.C:
		case <-s.life.Done():
		}
		return s.status(ctx, t, cmd.Ticket, cmd.LastLogSequence)
	}
}

// status answers with what there is now.
func (s *Store) status(ctx context.Context, t *ticket, id tentacle.ScriptTicket, after int64) (tentacle.ScriptStatusResponseV2, error) {
	return s.statusUpTo(ctx, t, id, after, s.cfg.MaxReply)
}

// statusUpTo answers with what there is now, up to so many bytes of output. The state is taken before the output, so that a Complete
// one has all of it.
func (s *Store) statusUpTo(ctx context.Context, t *ticket, id tentacle.ScriptTicket, after, most int64) (tentacle.ScriptStatusResponseV2, error) {
	switch {
	case t.newer:
		return tentacle.ScriptStatusResponseV2{}, t.untouched()
	case t.orphan:
		return lost(id), nil
	}
	phase, result, _ := t.snapshot()
	p := t.page(after)
	if err := s.gather(ctx, p, most); err != nil {
		return tentacle.ScriptStatusResponseV2{}, err
	}
	return s.respond(t, id, p, phase, result), nil
}

// page begins where the last status of the ticket ended, if that is where this one begins.
func (t *ticket) page(after int64) *page {
	after = max(after, 0)
	t.mu.Lock()
	defer t.mu.Unlock()
	p := &page{reader: output.NewReader(t.dir, after), after: after}
	if t.reader.Last() == after {
		p.reader = t.reader
	}
	p.begin = p.reader
	return p
}

// respond makes the response of what was gathered.
func (s *Store) respond(t *ticket, id tentacle.ScriptTicket, p *page, phase phase, result *process.Result) tentacle.ScriptStatusResponseV2 {
	if phase == finished && !p.more {
		p.complete(result, s.ending(t, result))
	}
	t.mu.Lock()
	t.reader = p.reader
	t.mu.Unlock()
	response := tentacle.ScriptStatusResponseV2{
		Ticket: id, Logs: make([]tentacle.ProcessOutput, 0, len(p.entries)), State: phase.state(),
		NextLogSequence: max(p.after, p.reader.Last()), Stored: p.later(),
	}
	for _, e := range p.entries {
		response.Logs = append(response.Logs, lineOf(e))
		response.NextLogSequence = max(response.NextLogSequence, e.Number)
	}
	switch {
	case phase == finished && p.more:
		response.State = tentacle.Running
	case phase == finished:
		response.ExitCode = result.ExitCode
	}
	return response
}

// ending is the line by which people find the end of a script in a log; empty for one that never began, and for a step, whose
// engine tells more.
func (s *Store) ending(t *ticket, result *process.Result) string {
	if t.record.Call != nil || result.Line != "" {
		return ""
	}
	run := scriptCommand(s.workFolder(t.folder()), nil)
	return fmt.Sprintf("The script ended with exit code %d. It was run by %s in %s.", result.ExitCode, run.Path, run.Dir)
}

// complete adds what comes behind the output of a finished script: one line for output that a power cut
// took, and the one that says why the exit code is not the script's, or how it ended.
func (p *page) complete(result *process.Result, ending string) {
	if last := p.reader.Last(); last < result.Entries && p.after < result.Entries {
		text := fmt.Sprintf("[the last %d lines of output are missing: they were lost with the power, or the disk was full]", result.Entries-last)
		p.entries = append(p.entries, output.Entry{Number: result.Entries, Source: output.StdErr, Occurred: result.Ended, Text: text})
	}
	text, source := result.Line, result.Source
	if text == "" {
		text, source = ending, output.Debug
	}
	if text != "" && p.after <= result.Entries {
		p.entries = append(p.entries, output.Entry{Number: result.Entries + 1, Source: source, Occurred: result.Ended, Text: text})
	}
}

// unknown answers for a ticket that this operator does not have.
func unknown(id tentacle.ScriptTicket, after int64) *tentacle.ScriptStatusResponseV2 {
	return &tentacle.ScriptStatusResponseV2{
		Ticket: id, Logs: []tentacle.ProcessOutput{}, NextLogSequence: max(after, 0),
		State: tentacle.Complete, ExitCode: tentacle.ExitUnknownScript,
	}
}

// refusal answers for a ticket that will not run.
func refusal(id tentacle.ScriptTicket, code int32, why string) tentacle.ScriptStatusResponseV2 {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return tentacle.ScriptStatusResponseV2{
		Ticket: id, Logs: []tentacle.ProcessOutput{{Source: tentacle.StdErr, Occurred: now, Text: why}},
		NextLogSequence: 1, State: tentacle.Complete, ExitCode: code,
	}
}

// alreadyCompleted answers a start of a ticket whose result the operator has had. The wording is parsed by
// api/tentacle. code is nil where the script runs on.
func alreadyCompleted(id tentacle.ScriptTicket, code *int32) *tentacle.ScriptStatusResponseV2 {
	text := "already completed"
	if code != nil {
		text = fmt.Sprintf("already completed, exit code %d", *code)
	}
	r := refusal(id, tentacle.ExitAlreadyCompleted, text)
	return &r
}
