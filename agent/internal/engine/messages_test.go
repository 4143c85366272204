//go:build unix

package engine

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/api/step"
)

func TestMessagesBecomeText(t *testing.T) {
	const message, text = "##octopus[setVariable name='YQ==' value='YgpjJ2Q=']", `##octopus[setVariable name="a" value="b\nc'd"]`
	for in, want := range map[string]string{
		"":                                      "",
		"a\nb":                                  "a\nb",
		message + "\n":                          text + "\n",
		"a\r\n" + message + "\r\n" + message:    "a\r\n" + text + "\r\n" + text,
		"50%\r" + message + "\n##octo\n#":       "50%\r" + text + "\n##octo\n#",
		"x" + message + "\n##octopus[not one\n": "x" + message + "\n##octopus[not one\n",
		"##octopus[stdout-verbose]\nhidden\n":   "##octopus[stdout-verbose]\nhidden\n",
	} {
		for piece := 1; piece <= max(len(in), 1); piece++ {
			var g messages
			var b strings.Builder
			for rest := []byte(in); len(rest) > 0; {
				n := min(piece, len(rest))
				b.Write(g.lines(rest[:n]))
				rest = rest[n:]
			}
			if b.Write(g.rest()); b.String() != want {
				t.Errorf("%q in pieces of %d becomes %q, want %q", in, piece, b.String(), want)
			}
			if found := strings.Count(want, text); g.found != found {
				t.Errorf("%q in pieces of %d has %d messages", in, piece, g.found)
			}
		}
	}
	var g messages
	if out := g.lines([]byte(step.OctopusPrefix + strings.Repeat("x", 10*step.MaxLine))); len(out) < 9*step.MaxLine || len(g.line) > 2*step.MaxLine {
		t.Errorf("%d bytes are held back", len(g.line))
	}
}

// A script's service messages have no effect: they are shown, with a warning, and with what is sensitive masked.
func TestAScriptsMessagesAreShownMaskedAndWithAWarning(t *testing.T) {
	const secret = "s3cr"
	code := base64.StdEncoding.EncodeToString([]byte("x" + secret))
	p := script(step.Bash, "echo \"##octopus[setVariable name='YQ==' value='"+code+"']\"; echo '##octopus[stdout-verbose]'; echo last; exit 3")
	r := newMachine(t).step(p, secret).failed(t, 3, step.ReasonExitCode)
	for what, said := range map[string]string{"output": r.shown, "tail": r.result.Tail} {
		if strings.Contains(said, code) || strings.Contains(said, secret) || !strings.Contains(said, `##octopus[setVariable name="a" value="x`) {
			t.Errorf("the %s is %q", what, said)
		}
	}
	if tail := r.result.Tail; strings.Contains(tail, "stdout-verbose") || !strings.HasSuffix(tail, "last") {
		t.Errorf("the tail is %q", tail)
	}
	if len(r.result.Outputs) != 0 || !strings.Contains(strings.Join(r.result.Warnings, "\n"), "service messages") {
		t.Errorf("outputs %v, warnings %q", r.result.Outputs, r.result.Warnings)
	}
}
