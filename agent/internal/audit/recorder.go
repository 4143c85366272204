package audit

import (
	"errors"
	"net"
	"time"
)

// maxKinds is how many kinds of what was asked for in vain are told apart at once. It bounds how fast an operator can
// fill the log, and push older lines out of it, by what changes nothing.
const maxKinds = 64

// Recorder is a Log for what operators do. What they ask for in vain they can repeat at will, so it is written down
// boundedly: the first of a kind at once, those that follow within a minute in one line with their number. All other
// lines are written as they come.
type Recorder struct {
	*Log
	vain *Tally[kind, Entry]
}

// kind is what lines that count as one have in common.
type kind struct{ operator, host, what, decision, rule, reason string }

// Record makes a Recorder of a log. Close it instead of the log.
func Record(l *Log) *Recorder {
	r := &Recorder{Log: l}
	r.vain = NewTally(maxKinds, func(k kind) kind {
		return kind{operator: k.operator, what: k.what, decision: k.decision}
	}, both, func(c Counted[kind, Entry]) { l.Note(line(c)) })
	return r
}

// Append is that of Log. Of a line that is counted for later nothing is on the disk yet.
func (r *Recorder) Append(e Entry) error {
	if !e.inVain() {
		return r.Log.Append(e)
	}
	var err error
	for _, due := range r.count(e) {
		err = errors.Join(err, r.Log.Append(line(due)))
	}
	return err
}

// Note is that of Log.
func (r *Recorder) Note(e Entry) {
	if !e.inVain() {
		r.Log.Note(e)
		return
	}
	for _, due := range r.count(e) {
		r.Log.Note(line(due))
	}
}

// Close writes what was counted, and closes the log.
func (r *Recorder) Close() error {
	r.vain.Flush()
	return r.Log.Close()
}

func (r *Recorder) count(e Entry) []Counted[kind, Entry] {
	now := time.Now()
	if e.Time.IsZero() {
		e.Time = now // what is told later was then
	}
	k := kind{operator: e.Operator, host: hostOf(e.Peer), what: e.What, decision: e.Decision, rule: e.Rule, reason: e.Reason}
	return r.vain.Count(k, e, now)
}

// inVain tells whether a line is about what changed nothing: it was refused, known before, or allowed with a reason why
// nothing came of it. That an operator connected is such a line too. A line with a number was counted before.
func (e Entry) inVain() bool {
	switch e.What {
	case Connection:
		return e.Count == 0
	case Start, Upload, Download, Cancel, Complete:
		return e.Decision != Allowed || e.Reason != ""
	default:
		return false
	}
}

// line is the line for what was counted.
func line(c Counted[kind, Entry]) Entry {
	e := c.Value
	if c.Count > 1 {
		e.Count = c.Count
	}
	return e
}

// both is a line that stands for two, at the time of the second: what they do not have in common is left out.
func both(kept, e Entry) Entry {
	if kept.Peer != e.Peer {
		kept.Peer = common(hostOf(kept.Peer), hostOf(e.Peer))
	}
	if kept.Reason != e.Reason {
		kept.Reason = "for several reasons"
	}
	if kept.Size != nil && (e.Size == nil || *kept.Size != *e.Size) {
		kept.Size = nil
	}
	kept.Time = e.Time
	kept.Ticket, kept.Path = common(kept.Ticket, e.Ticket), common(kept.Path, e.Path)
	kept.Script, kept.Plan = common(kept.Script, e.Script), common(kept.Plan, e.Plan)
	kept.Rule = common(kept.Rule, e.Rule)
	return kept
}

func common(a, b string) string {
	if a == b {
		return a
	}
	return ""
}

// hostOf is an address without its port.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
