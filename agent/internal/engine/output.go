package engine

import (
	"io"
	"strings"
	"sync"

	"github.com/mantledeploy/mantle/agent/internal/masking"
	"github.com/mantledeploy/mantle/api/step"
)

// output is what leaves the process: two streams, each masked on its own, and the end of both together.
type output struct {
	mu     sync.Mutex
	tail   []byte
	stdout *stream
	stderr *stream
}

// stream is one of the two. Its writer is masked; raw lines go around the masking.
type stream struct {
	o      *output
	to     io.Writer
	masked *masking.Writer
	last   byte // the last byte that was written
	closed bool
}

func newOutput(m *masking.Masker, stdout, stderr io.Writer) *output {
	o := &output{}
	o.stdout, o.stderr = &stream{o: o, to: stdout, last: '\n'}, &stream{o: o, to: stderr, last: '\n'}
	o.stdout.masked, o.stderr.masked = m.Writer(passed{o.stdout}), m.Writer(passed{o.stderr})
	return o
}

// Write takes bytes of a script, or of the engine's own. What comes after close is discarded. It never
// fails: a reader that went away is no reason to end a step.
func (s *stream) Write(p []byte) (int, error) {
	s.o.mu.Lock()
	defer s.o.mu.Unlock()
	if !s.closed {
		_, _ = s.masked.Write(p)
	}
	return len(p), nil
}

// passed is what comes out of the masking. The output's lock is held.
type passed struct{ s *stream }

func (w passed) Write(p []byte) (int, error) {
	_, _ = w.s.to.Write(p)
	if len(p) > 0 {
		w.s.last = p[len(p)-1]
	}
	o := w.s.o
	o.tail = append(o.tail, p...)
	if over := len(o.tail) - 2*step.MaxTail; over > 2*step.MaxTail {
		o.tail = append(o.tail[:0], o.tail[over:]...)
	}
	return len(p), nil
}

// endLine passes on what is held back and ends a line that was begun. The output's lock is held.
func (s *stream) endLine() {
	_ = s.masked.Flush()
	if s.last != '\n' {
		_, _ = passed{s}.Write([]byte{'\n'})
	}
}

// print says something of the engine's own, masked, in a line of its own.
func (o *output) print(text string) { o.line(o.stdout, text) }

// printError is print on the error stream.
func (o *output) printError(text string) { o.line(o.stderr, text) }

func (o *output) line(s *stream, text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s.endLine()
	_, _ = s.masked.Write([]byte(text))
	s.endLine()
}

// raw writes lines to stdout as they are; what is in them has been masked before.
func (o *output) raw(lines ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stdout.endLine()
	_, _ = io.WriteString(o.stdout.to, strings.Join(lines, "\n")+"\n")
}

// flush passes on what is held back. Nothing may be written meanwhile.
func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, _ = o.stdout.masked.Flush(), o.stderr.masked.Flush()
}

// aside says something that is not the step's output.
func (o *output) aside(text string) { o.raw(step.FormatVerbose(text)...) }

// close ends both streams; only raw lines are written after it.
func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stdout.endLine()
	o.stderr.endLine()
	o.stdout.closed, o.stderr.closed = true, true
}

// tailText is the end of what was written, whole characters only; FormatResult cuts it to its bound.
func (o *output) tailText() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := strings.Split(strings.ToValidUTF8(string(o.tail), "\uFFFD"), "\n")
	for i, line := range lines { // of one that was written over, what it shows in the end
		line = strings.TrimRight(line, "\r")
		lines[i] = line[strings.LastIndexByte(line, '\r')+1:]
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}
