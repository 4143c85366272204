package session

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

const (
	// batchEntries and batchBytes bound the entries that are passed on together.
	batchEntries = 512
	batchBytes   = 256 << 10
	// maxPatience bounds how much longer than usual an answer may take. An Octopus Tentacle reads all the output of a script
	// before it answers.
	maxPatience = 10 * time.Minute
)

// reader reads the entries of answers, which may be of any size.
type reader struct {
	// last is the number of the last entry that was read. read is how much was read of the next one, in bytes, if it is long.
	last int64
	read int
	// at is the number of the last entry of the current answer, offset how much of the next one has come, and before what
	// last was when it was asked for.
	at, before int64
	offset     int
	// batch are entries that have come, of batchSize bytes; the first is number batchAt.
	batch     []tentacle.ProcessOutput
	batchSize int
	batchAt   int64
	// inside says that the entry that was read last goes on, and as what it is shown.
	inside bool
	as     tentacle.ProcessOutputSource
	// patience is how much longer than usual the next answer may take.
	patience time.Duration
	// unread counts the answers in a row that could not be read. skipped says that the last answer was asked for without output.
	unread  int
	skipped bool
}

// request calls the machine for an answer with the output after last, and reads the output as it arrives.
func (c *Script) request(ctx context.Context, s *Session, facts tentacle.Facts, last int64,
	call func(context.Context, scripts) (tentacle.ScriptStatusResponseV2, error)) (tentacle.ScriptStatusResponseV2, error) {
	c.at, c.before, c.offset = last, c.last, 0
	if c.asked.IsZero() {
		c.asked = time.Now()
	}
	on := scriptsOf(facts, s.Passing(c.arrived, c.patience))
	c.unheld, c.finds = !facts.Has(tentacle.MantleScriptServiceName), on.finds()
	r, err := call(ctx, on)
	switch {
	case err == nil:
		c.patience = 0
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.patience = min(max(2*c.patience, time.Minute), maxPatience)
	}
	if err != nil {
		c.forget()
	}
	return r, err
}

// maxUnread is how many answers in a row may end without anything read of them before the state is asked for alone.
const maxUnread = 4

// pollStatus requests the state and the new output. An Octopus Tentacle answers with all of that, and one that has more than an
// answer can have never succeeds: it is then asked for the output after an entry that does not exist, so that its answer has
// the state alone.
func (c *Script) pollStatus(ctx context.Context, s *Session, facts tentacle.Facts) (tentacle.ScriptStatusResponseV2, error) {
	if c.unread < maxUnread || facts.Mantle() {
		before, part := c.last, c.read
		r, err := c.status(ctx, s, facts, c.last)
		var connect *halibut.ConnectError
		switch {
		case err == nil || c.last != before || c.read != part:
			c.unread = 0
		case !errors.As(err, &connect):
			c.unread++
		}
		return r, err
	}
	c.unread = 0
	r, err := c.status(ctx, s, facts, maxSequence)
	c.forget()
	c.at, r.NextLogSequence = c.last, c.last
	c.skipped = err == nil && r.State == tentacle.Complete
	return r, err
}

// Skipped reports whether the script is complete and its last output could not be read.
func (c *Script) Skipped() bool { return c.Ended() && c.skipped }

// arrived takes the next entry of an answer.
func (c *Script) arrived(entry tentacle.ProcessOutput) error {
	if len(c.batch) == 0 {
		c.batchAt = c.at + 1
	}
	if !entry.Continues {
		c.at++
	}
	c.batch = append(c.batch, entry)
	if c.batchSize += len(entry.Text); c.batchSize >= batchBytes || len(c.batch) >= batchEntries {
		c.flush()
	}
	return nil
}

// forget drops the entries that were not passed on yet.
func (c *Script) forget() {
	c.batch, c.batchSize = nil, 0
}

// take stores an answer: the rest of its output, and the state.
func (c *Script) take(r tentacle.ScriptStatusResponseV2) {
	for _, entry := range r.Logs {
		_ = c.arrived(entry)
	}
	c.flush()
	next := c.sequence(r)
	c.progressed = max(c.last, next) > c.before || !c.hasResponse || r.State != c.state
	c.last = max(c.last, next)
	c.at, c.before = c.last, c.last
	c.state, c.exitCode, c.hasResponse = r.State, r.ExitCode, true
	c.known = c.known || !c.Forgotten()
	if c.state != tentacle.Pending {
		c.holdFor = c.shortBackoff()
	}
}

// sequence returns the number of the answer's last entry. If the machine sends an impossible number, the entries are
// counted from the last one.
func (c *Script) sequence(r tentacle.ScriptStatusResponseV2) int64 {
	if r.NextLogSequence < 0 || r.NextLogSequence > min(c.at+maxGap, maxSequence) {
		return min(c.at, maxSequence)
	}
	return r.NextLogSequence
}

// flush passes the entries that have come on: messages of the engine to the scanner, the others to the output.
func (c *Script) flush() {
	var shown []tentacle.ProcessOutput
	seq, at := c.batchAt, c.batchAt
	for _, entry := range c.batch {
		n := seq
		if !entry.Continues {
			seq++
		}
		if n <= c.last {
			continue
		}
		entry, show := c.next(n, entry)
		if !show {
			c.append(at, shown)
			shown = nil
			continue
		}
		if len(shown) == 0 {
			at = n
		}
		shown = append(shown, entry)
	}
	c.append(at, shown)
	c.forget()
}

// next reads entry number n, or a piece of it. It returns what is new in it, and whether that is shown.
func (c *Script) next(n int64, entry tentacle.ProcessOutput) (tentacle.ProcessOutput, bool) {
	known := min(max(c.read-c.offset, 0), len(entry.Text))
	c.offset += len(entry.Text)
	entry.Text = entry.Text[known:]
	c.read = max(c.read, c.offset)
	inside := c.inside
	if c.inside = entry.Continues; !entry.Continues {
		c.last, c.read, c.offset = n, 0, 0
	}
	show := true
	if !inside {
		if c.as, show = c.scanner.Line(entry.Source, entry.Text); entry.Source == tentacle.StdOut && !entry.Continues {
			entry.Text = step.Redacted(entry.Text)
		}
	}
	if entry.Source = c.as; entry.Source == tentacle.StdErr {
		c.stderr.add(entry.Text)
		c.lastLine = strings.Clone(entry.Text[:min(len(entry.Text), maxLine)])
	}
	return entry, show
}

func (c *Script) append(seq int64, entries []tentacle.ProcessOutput) {
	if c.output == nil || len(entries) == 0 {
		return
	}
	if err := c.output.Append(seq, entries); err != nil {
		c.log(err)
	}
}
