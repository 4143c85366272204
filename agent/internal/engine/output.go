package engine

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/mantledeploy/mantle/agent/internal/masking"
	"github.com/mantledeploy/mantle/api/ansi"
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
	o        *output
	to       io.Writer
	masked   *masking.Writer
	progress progress
	messages *messages // nil on the error stream
	last     byte      // the last byte that was written
	closed   bool
}

func newOutput(m *masking.Masker, stdout, stderr io.Writer) *output {
	o := &output{}
	o.stdout, o.stderr = &stream{o: o, to: stdout, last: '\n'}, &stream{o: o, to: stderr, last: '\n'}
	o.stdout.messages = &messages{}
	o.stdout.masked, o.stderr.masked = m.Writer(passed{o.stdout}), m.Writer(passed{o.stderr})
	return o
}

// Write takes bytes of a script, or of the engine's own. What comes after close is discarded. It never
// fails: a reader that went away is no reason to end a step.
func (s *stream) Write(p []byte) (int, error) {
	s.o.mu.Lock()
	defer s.o.mu.Unlock()
	if !s.closed {
		shown := p
		if s.messages != nil {
			shown = s.messages.lines(p)
		}
		_, _ = s.masked.Write(shown)
	}
	return len(p), nil
}

// passed is what comes out of the masking. The output's lock is held.
type passed struct{ s *stream }

func (w passed) Write(p []byte) (int, error) {
	w.s.show(w.s.progress.lines(p))
	return len(p), nil
}

// show writes what is to be seen. The output's lock is held.
func (s *stream) show(p []byte) {
	if len(p) == 0 {
		return
	}
	_, _ = s.to.Write(p)
	s.last = p[len(p)-1]
	o := s.o
	o.tail = append(o.tail, plainText(p)...)
	if over := len(o.tail) - 2*step.MaxTail; over > 2*step.MaxTail {
		o.tail = append(o.tail[:0], o.tail[over:]...)
	}
}

// plainText is p without codes of colours and the like, which are for who reads the output.
func plainText(p []byte) []byte {
	if bytes.IndexByte(p, '\x1b') < 0 {
		return p
	}
	return []byte(ansi.Strip(string(p)))
}

// pass passes on all that is held back. The output's lock is held.
func (s *stream) pass() {
	if s.messages != nil {
		_, _ = s.masked.Write(s.messages.rest())
	}
	_ = s.masked.Flush()
	s.show(s.progress.rest())
}

// endLine passes on what is held back and ends a line that was begun. The output's lock is held.
func (s *stream) endLine() {
	if s.pass(); s.last != '\n' {
		s.show([]byte{'\n'})
	}
	if s.messages != nil {
		s.messages.past = false
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
	o.stdout.pass()
	o.stderr.pass()
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

// tailText is the end of what was written, whole characters only, without the messages that say what lines are; FormatResult
// cuts it to its bound.
func (o *output) tailText() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := strings.SplitAfter(strings.ToValidUTF8(string(o.tail), "\uFFFD"), "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, step.OctopusPrefix+"stdout-") })
	return strings.TrimRight(strings.Join(lines, ""), "\r\n")
}
