package scripts

import (
	"context"
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/agent/internal/process/output"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// enough is how much new output WaitForStatus does not hold back, in bytes as output.Entry.Size counts.
const enough = 64 << 10

// GetStatus returns the state of a ticket and its output after a sequence. Of a ticket that is unknown,
// completed or another operator's it is Complete -45.
func (s *Store) GetStatus(ctx context.Context, operator string, request tentacle.ScriptStatusRequestV2) (tentacle.ScriptStatusResponseV2, error) {
	t := s.find(operator, request.Ticket.TaskID)
	if t == nil {
		return *unknown(request.Ticket, request.LastLogSequence), nil
	}
	return s.status(ctx, t, request.Ticket, request.LastLogSequence)
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
		if err := s.gather(ctx, p); err != nil {
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

// status answers with what there is now. The state is taken before the output, so that a Complete one has
// all of it.
func (s *Store) status(ctx context.Context, t *ticket, id tentacle.ScriptTicket, after int64) (tentacle.ScriptStatusResponseV2, error) {
	switch {
	case t.newer:
		return tentacle.ScriptStatusResponseV2{}, t.untouched()
	case t.orphan:
		return lost(id), nil
	}
	phase, result, _ := t.snapshot()
	p := t.page(after)
	if err := s.gather(ctx, p); err != nil {
		return tentacle.ScriptStatusResponseV2{}, err
	}
	return s.respond(t, id, p, phase, result), nil
}

// page is output that is being gathered for one response.
type page struct {
	reader  output.Reader
	after   int64
	entries []output.Entry
	size    int64
	more    bool // others are there that have no room
}

// reserved is the room that is kept in a response for the lines that respond adds.
const reserved = 4 << 10

// page begins where the last status of the ticket ended, if that is where this one begins.
func (t *ticket) page(after int64) *page {
	after = max(after, 0)
	t.mu.Lock()
	defer t.mu.Unlock()
	p := &page{reader: output.NewReader(t.dir, after), after: after}
	if t.reader.Last() == after {
		p.reader = t.reader
	}
	return p
}

// modest is how much output is gathered without asking for memory. It holds the longest line.
const modest = 128 << 10

// replyFactor is how much memory a response takes, by the output in it: as lines, encoded and compressed.
const replyFactor = 3

// gather reads what there is for one response: as much as that may hold if there is memory for it, else less, and the rest is for
// the next one.
func (s *Store) gather(ctx context.Context, p *page) error {
	if err := p.read(min(s.cfg.MaxReply, modest)); err != nil || !p.more || s.cfg.MaxReply <= modest {
		return err
	}
	if !halibut.Reserve(ctx, replyFactor*s.cfg.MaxReply) {
		return nil
	}
	p.more = false
	return p.read(s.cfg.MaxReply)
}

func (p *page) read(limit int64) error {
	if p.more {
		return nil
	}
	entries, more, err := p.reader.Read(limit - reserved - p.size)
	if err != nil {
		return err
	}
	for _, e := range entries {
		p.size += e.Size()
	}
	p.entries, p.more = append(p.entries, entries...), more
	return nil
}

// respond makes the response of what was gathered.
func (s *Store) respond(t *ticket, id tentacle.ScriptTicket, p *page, phase phase, result *process.Result) tentacle.ScriptStatusResponseV2 {
	if phase == finished && !p.more {
		p.complete(result)
	}
	t.mu.Lock()
	t.reader = p.reader
	t.mu.Unlock()
	response := tentacle.ScriptStatusResponseV2{
		Ticket: id, Logs: make([]tentacle.ProcessOutput, 0, len(p.entries)), State: phase.state(),
		NextLogSequence: max(p.after, p.reader.Last()),
	}
	for _, e := range p.entries {
		response.Logs = append(response.Logs, tentacle.ProcessOutput{Source: tentacle.ProcessOutputSource(e.Source), Occurred: e.Occurred, Text: e.Text})
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

// complete adds what comes behind the output of a finished script: one line for output that a power cut
// took, and the one that says why the exit code is not the script's.
func (p *page) complete(result *process.Result) {
	if last := p.reader.Last(); last < result.Entries && p.after < result.Entries {
		text := fmt.Sprintf("[the last %d lines of output are missing: they were lost with the power, or the disk was full]", result.Entries-last)
		p.entries = append(p.entries, output.Entry{Number: result.Entries, Source: output.StdErr, Occurred: result.Ended, Text: text})
	}
	if result.Line != "" && p.after <= result.Entries {
		p.entries = append(p.entries, output.Entry{Number: result.Entries + 1, Source: result.Source, Occurred: result.Ended, Text: result.Line})
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
