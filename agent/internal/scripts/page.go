package scripts

import (
	"context"

	"github.com/mantledeploy/mantle/agent/internal/process/output"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// page is output that is being gathered for one response: little of it in entries, much of it in stored, which is read when the
// response is written.
type page struct {
	begin, reader output.Reader
	after         int64
	entries       []output.Entry
	stored        *output.Page
	size          int64
	more          bool // others are there that have no room
}

const (
	// reserved is the room that is kept in a response for the lines that respond adds.
	reserved = 4 << 10
	// modest is how much output is gathered without asking for memory.
	modest = 128 << 10
	// streamed is how much memory a response takes whose output is read while it is written, and lineFactor how often its longest
	// line is in that: as it is read, as a line, encoded, and compressed.
	streamed   = 4 << 20
	lineFactor = 4
)

// gather reads what there is for one response of at most most bytes. Where that is much, it leaves it on the disk until the
// response is written, if there is memory for that; else the response has little, and the rest is for the next one.
func (s *Store) gather(ctx context.Context, p *page, most int64) error {
	if p.more || p.stored != nil {
		return nil
	}
	little := min(most, modest) - reserved - p.size
	entries, more, err := p.reader.ReadWithin(little)
	if err != nil {
		return err
	}
	for _, e := range entries {
		p.size += e.Size()
	}
	p.entries, p.more = append(p.entries, entries...), more
	if !more || p.size > 0 && most <= modest {
		return nil
	}
	return p.store(ctx, most)
}

// store gathers from the beginning again, to read it later.
func (p *page) store(ctx context.Context, most int64) error {
	reader := p.begin
	stored, more, err := reader.ReadLater(most - reserved)
	if err != nil {
		return err
	}
	if !halibut.Reserve(ctx, streamed+lineFactor*int64(stored.Longest)) {
		stored.Close()
		return nil
	}
	halibut.Afterwards(ctx, stored.Close)
	p.entries, p.stored, p.reader, p.size, p.more = nil, stored, reader, stored.Size, more
	return nil
}

// later is the output that is read when the response is written.
func (p *page) later() *tentacle.StoredLogs {
	if p.stored == nil {
		return nil
	}
	return &tentacle.StoredLogs{Count: p.stored.Count, Text: p.stored.Text, Each: func(yield func(tentacle.ProcessOutput) error) error {
		return p.stored.Each(func(e output.Entry) error { return yield(lineOf(e)) })
	}}
}

// lineOf is an entry as it is on the wire.
func lineOf(e output.Entry) tentacle.ProcessOutput {
	return tentacle.ProcessOutput{Source: tentacle.ProcessOutputSource(e.Source), Occurred: e.Occurred, Text: e.Text}
}
