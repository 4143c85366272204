package masking

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

const connection = "Server=db.internal; User Id=sa; Password=Tr0ub4dor&3 horse staple"

// Programs break what they show into lines, where it has blanks; a value in it is masked as a whole.
func TestAValueAcrossAFoldIsMasked(t *testing.T) {
	const red, none = "\x1b[31;1m", "\x1b[0m"
	for name, c := range map[string]struct{ value, text, want string }{
		"a line end":           {connection, "with " + strings.ReplaceAll(connection, "Id=sa; ", "Id=sa;\n") + ".", "with ********."},
		"Windows' line end":    {connection, strings.ReplaceAll(connection, "Id=sa; ", "Id=sa;\r\n        "), "********"},
		"every blank":          {connection, strings.ReplaceAll(connection, " ", "\n"), "********"},
		"PowerShell's bar":     {connection, strings.ReplaceAll(connection, "Id=sa; ", "Id=sa;\n     | "), "********"},
		"its bar in colours":   {connection, strings.ReplaceAll(connection, "Id=sa; ", "Id=sa;"+none+"\n"+red+none+"\x1b[36;1m     | "+red), "********"},
		"lines as blanks":      {"first\n\tsecond\r\nthird", "first second third", "********"},
		"one coloured word":    {connection, strings.ReplaceAll(connection, "horse", "\x1b[01;31m\x1b[Khorse\x1b[m\x1b[K"), "********"},
		"one coloured part":    {"hunter2-Tr0ub4dor", "hunter2" + red + "-Tr0" + none + "ub4dor", "********"},
		"colours around":       {"hunter2", red + "hunter2" + none + "\n", red + "********" + none + "\n"},
		"a value with colours": {red + "hunter2 two" + none, "hunter2\ntwo " + red + "hunter2 two" + none, "******** " + red + "********" + none},
		"a value with a bar":   {"| hunter2 |\n| three |", "x\n| hunter2 |\n| three |\n", "x\n********\n"},
		"a value behind a bar": {"first hunter2\nsecond", "first\n| hunter2\n| second", "********"},
		"two values":           {"alpha beta", "alpha\n| alpha\n  beta\nalpha", "alpha\n| ********\nalpha"},
		"quoted":               {"it's two words", "'it'\\''s two\nwords'", "'********'"},
		"a bar in the text":    {"alpha beta", "alpha | beta", "alpha | beta"},
		"no code of a colour":  {"hunter2", "\x1b[hunter2", "\x1b[********"},
		"a code that is none":  {"alpha beta", "alpha \x1b[" + strings.Repeat("1;", 40) + "mbeta", "alpha \x1b[" + strings.Repeat("1;", 40) + "mbeta"},
	} {
		m := New([]string{c.value})
		if got := m.String(c.text); got != c.want {
			t.Errorf("%s: %q becomes %q, want %q", name, c.text, got, c.want)
		}
		var out bytes.Buffer
		w := m.Writer(&out)
		for i := range len(c.text) {
			_, _ = w.Write([]byte(c.text[i : i+1]))
		}
		_ = w.Flush()
		if got := out.String(); got != c.want {
			t.Errorf("%s: %q becomes %q byte by byte, want %q", name, c.text, got, c.want)
		}
	}
}

// However a value is folded and coloured, and whatever other values there are, nothing of it is shown.
func TestAFoldedValueIsNotShown(t *testing.T) {
	breaks := []string{" ", "\n", "\r\n  ", "\n     | ", "\x1b[0m\n\x1b[36;1m     | \x1b[31;1m", "\t\n\n"}
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 1))
		words := make([]string, 2+r.IntN(4))
		text := "ab"
		for i := range words {
			words[i] = fmt.Sprintf("%cX%d", "ab|"[r.IntN(3-min(i, 1))], r.IntN(3))
			if i > 0 {
				text += breaks[r.IntN(len(breaks))]
			}
			text += words[i]
		}
		values := []string{strings.Join(words, " "), "ab ax", "abc", "X1 aX2"}
		var out bytes.Buffer
		w := New(values).Writer(&out)
		for rest := text + "\n"; rest != ""; {
			n := 1 + r.IntN(len(rest))
			_, _ = w.Write([]byte(rest[:n]))
			rest = rest[n:]
		}
		if _ = w.Flush(); strings.Contains(out.String(), "X") {
			t.Fatalf("seed %d: of values %q, text %q is shown as %q", seed, values, text, out.String())
		}
	}
}

// A script that prints blank lines without end, in the middle of what may be a value, is not held back without end.
func TestWhatIsHeldBackHasABound(t *testing.T) {
	for _, blank := range []string{" ", "\n", "\n|", "\x1b[0m"} {
		written := 0
		w := New([]string{"alpha beta"}).Writer(writerFunc(func(p []byte) { written += len(p) }))
		_, _ = w.Write([]byte("alpha "))
		piece := []byte(strings.Repeat(blank, 1000))
		for total := 6; total < 4<<20; total += len(piece) {
			_, _ = w.Write(piece)
			if held := total - written; held > 2*maxSpace {
				t.Fatalf("%q: %d bytes are held back", blank, held)
			}
		}
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}
