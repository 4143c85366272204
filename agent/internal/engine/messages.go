package engine

import (
	"bytes"
	"fmt"

	"github.com/mantledeploy/mantle/api/step"
)

// messages makes text of the service messages that a script writes: they have no effect, and in base64 no secret is masked.
// It holds back a line that may be one until its end, but no more than 2*step.MaxLine bytes.
type messages struct {
	line []byte
	// past says that the line that is under way is none.
	past bool
	out  []byte
	// found counts them; first is the name of the first.
	found int
	first string
}

// lines takes the next bytes and returns those that are to be shown. They are valid until the next call.
func (g *messages) lines(p []byte) []byte {
	g.out = g.out[:0]
	for len(p) > 0 {
		end := bytes.IndexAny(p, "\r\n")
		if len(g.line) == 0 && (g.past || !maybe(p)) { // the usual case: nothing of the line is held
			if g.past = end < 0; g.past {
				return append(g.out, p...)
			}
			g.out, p = append(g.out, p[:end+1]...), p[end+1:]
			continue
		}
		if end < 0 {
			g.hold(p)
			return g.out
		}
		g.hold(p[:end])
		g.end()
		g.out, g.past, p = append(g.out, p[end]), false, p[end+1:]
	}
	return g.out
}

// maybe tells whether a line that begins so may be a message.
func maybe(line []byte) bool {
	n := min(len(line), len(step.OctopusPrefix))
	return string(line[:n]) == step.OctopusPrefix[:n]
}

// hold keeps bytes of a line that may be a message.
func (g *messages) hold(p []byte) {
	g.line = append(g.line, p...)
	if len(g.line) > 2*step.MaxLine || !maybe(g.line) {
		g.out, g.line, g.past = append(g.out, g.line...), g.line[:0], true
	}
}

// end passes on the line that is held.
func (g *messages) end() {
	name, text, ok := step.OctopusMessage(string(g.line))
	if ok {
		if g.found++; g.found == 1 {
			g.first = name
		}
		g.out = append(g.out, text...)
	} else {
		g.out = append(g.out, g.line...)
	}
	g.line = g.line[:0]
}

// rest returns what is held of the line that has no end yet.
func (g *messages) rest() []byte {
	g.out = g.out[:0]
	g.end()
	g.past = len(g.out) > 0 || g.past
	return g.out
}

// warning says that there were messages; empty if there were none.
func (g *messages) warning() string {
	if g.found == 0 {
		return ""
	}
	return fmt.Sprintf("the script wrote service messages of Octopus's (%d, the first is %.40s): they have no effect and are shown as text; outputs are written to the file $%s", g.found, g.first, step.EnvOutput)
}
