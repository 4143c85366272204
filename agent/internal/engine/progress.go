package engine

import (
	"bytes"

	"github.com/mantledeploy/mantle/api/step"
)

// progress makes one line of a line that is written over with carriage returns, as the progress of a download is: what it shows
// in the end. What reads a step's output takes each of them for the end of a line, and would keep thousands. It holds back a line
// until its end, which nobody sees before that anyway, but no more than step.MaxLine bytes.
type progress struct {
	line []byte
	back bool // a carriage return came behind the line: what follows is written over it, unless it is the line's end
	out  []byte
}

// lines takes the next bytes and returns those that are to be seen. They are valid until the next call.
func (g *progress) lines(p []byte) []byte {
	g.out = g.out[:0]
	if !g.back && bytes.IndexByte(p, '\r') < 0 {
		if end := bytes.LastIndexByte(p, '\n') + 1; end > 0 {
			g.out = append(append(g.out, g.line...), p[:end]...)
			g.line, p = g.line[:0], p[end:]
		}
		g.hold(p)
		return g.out
	}
	for len(p) > 0 {
		end := bytes.IndexAny(p, "\r\n")
		if end != 0 && g.back {
			g.line, g.back = g.line[:0], false
		}
		if end < 0 {
			g.hold(p)
			break
		}
		g.hold(p[:end])
		if g.back = p[end] == '\r'; !g.back {
			g.out = append(append(g.out, g.line...), '\n')
			g.line = g.line[:0]
		}
		p = p[end+1:]
	}
	return g.out
}

// hold keeps bytes of a line; where there are too many they are passed on, and can no longer be written over.
func (g *progress) hold(p []byte) {
	if g.line = append(g.line, p...); len(g.line) > step.MaxLine {
		g.out = append(g.out, g.line...)
		g.line = g.line[:0]
	}
}

// rest returns the line that has no end yet.
func (g *progress) rest() []byte {
	g.out, g.back = append(g.out[:0], g.line...), false
	g.line = g.line[:0]
	return g.out
}
