package output

import (
	"bytes"
	"unicode/utf8"
)

// Stream splits the bytes of one source into lines and appends them to its Writer. It is an io.Writer that
// never fails, for one goroutine; several Streams may share a Writer. It holds at most Limits.Line bytes of a
// line that has not ended.
type Stream struct {
	writer *Writer
	source Source
	line   []byte
	carry  []byte // the beginning of a rune, at most three bytes
	skipLF bool   // the line ended with \r, so that a \n belongs to it
}

var lineFeed, carriageReturn = []byte{'\n'}, []byte{'\r'}

// NewStream returns the Stream of source.
func NewStream(w *Writer, source Source) *Stream { return &Stream{writer: w, source: source} }

// Write appends the lines that end in p and keeps the rest for the next call.
func (s *Stream) Write(p []byte) (int, error) {
	total := len(p)
	s.writer.mu.Lock()
	defer s.writer.mu.Unlock()
	for len(p) > 0 {
		part, rest, ended := bytes.Cut(p, lineFeed)
		s.part(part)
		if ended && !s.skipLF {
			s.endLine()
		}
		s.skipLF = s.skipLF && !ended
		p = rest
	}
	s.writer.flush()
	return total, nil
}

// part appends what has no \n.
func (s *Stream) part(p []byte) {
	for len(p) > 0 {
		text, rest, ended := bytes.Cut(p, carriageReturn)
		s.text(text)
		if ended {
			s.endLine()
		}
		s.skipLF = ended
		p = rest
	}
}

// Close appends a last line that has no line end. The Stream is of no use afterwards.
func (s *Stream) Close() {
	s.writer.mu.Lock()
	defer s.writer.mu.Unlock()
	if len(s.line) > 0 || len(s.carry) > 0 {
		s.endLine()
	}
	s.writer.flush()
}

func (s *Stream) endLine() {
	if len(s.carry) > 0 {
		s.keep([]byte(string(utf8.RuneError)))
	}
	s.carry = s.carry[:0]
	s.emit()
}

func (s *Stream) emit() {
	s.writer.add(s.source, s.line)
	s.line = s.line[:0]
	if cap(s.line) > usual {
		s.line = nil
	}
}

// text adds a part of a line, of valid UTF-8 in one piece, of anything else rune by rune.
func (s *Stream) text(p []byte) {
	if len(s.carry) == 0 && utf8.Valid(p) {
		s.keep(p)
		return
	}
	p = append(s.carry, p...) //nolint:gocritic // carry is set anew below, and its bytes come first
	for len(p) > 0 && utf8.FullRune(p) {
		r, size := utf8.DecodeRune(p)
		if r == utf8.RuneError && size == 1 {
			size = illFormed(p)
			s.keep([]byte(string(utf8.RuneError)))
		} else {
			s.keep(p[:size])
		}
		p = p[size:]
	}
	s.carry = append([]byte(nil), p...)
}

// illFormed is how many bytes at the beginning of p one replacement stands for: the longest beginning of a
// character, or one byte, as .NET and the Unicode standard have it.
func illFormed(p []byte) int {
	n := 1
	for n < len(p) && !utf8.FullRune(p[:n+1]) {
		n++
	}
	return n
}

// usual is the length up to which the memory of a line is kept for the next one.
const usual = 64 << 10

// keep adds valid UTF-8 to the line and cuts it between runes where it gets too long.
func (s *Stream) keep(p []byte) {
	longest := int(s.writer.limits.Line)
	for len(s.line)+len(p) > longest {
		room := longest - len(s.line)
		for room > 0 && !utf8.RuneStart(p[room]) {
			room--
		}
		s.grow(room)
		s.line = append(s.line, p[:room]...)
		p = p[room:]
		s.emit()
	}
	s.grow(len(p))
	s.line = append(s.line, p...)
}

// grow makes room for a long line at once: of what grows little by little the garbage is as large as the line.
func (s *Stream) grow(n int) {
	if need := len(s.line) + n; need > usual && cap(s.line) < need {
		s.line = append(make([]byte, 0, max(need, int(s.writer.limits.Line))), s.line...)
	}
}
