package engine

import (
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/api/step"
)

func TestProgress(t *testing.T) {
	for in, want := range map[string]string{
		"":                             "",
		"a\nb":                         "a\nb",
		"10%\r20%\rdone\n":             "done\n",
		"a\n10%\r20%\r":                "a\n20%",
		"a\r\r\nb\r\n\r\n\rc\r\n\nd\n": "a\nb\n\nc\n\nd\n",
		"10%\r\x1b[Kdone\n":            "\x1b[Kdone\n",
		"\r":                           "",
	} {
		for piece := 1; piece <= max(len(in), 1); piece++ {
			var g progress
			var b strings.Builder
			for rest := []byte(in); len(rest) > 0; {
				n := min(piece, len(rest))
				b.Write(g.lines(rest[:n]))
				rest = rest[n:]
			}
			if b.Write(g.rest()); b.String() != want {
				t.Errorf("%q in pieces of %d becomes %q, want %q", in, piece, b.String(), want)
			}
		}
	}
}

func TestProgressHoldsBackOneLineOnly(t *testing.T) {
	var g progress
	chunk, out := []byte(strings.Repeat("x", 10_000)), 0
	for range 1000 {
		out += len(g.lines(chunk))
		if cap(g.line) > 4*step.MaxLine || cap(g.out) > 4*step.MaxLine {
			t.Fatalf("it holds %d and %d bytes", cap(g.line), cap(g.out))
		}
	}
	if out += len(g.rest()); out != 1000*len(chunk) {
		t.Errorf("%d bytes came out", out)
	}
	if got := string(g.lines([]byte("a\nb"))); got != "a\n" {
		t.Errorf("%q is to be seen of a line and a half", got)
	}
}

func FuzzProgress(f *testing.F) {
	f.Add("10%\r20%\r\ndone\n\nend", uint8(3))
	f.Add("\r\ra\r", uint8(1))
	f.Fuzz(func(t *testing.T, in string, n uint8) {
		if len(in) > 8<<10 {
			return // a longer line is passed on before its end
		}
		lines := strings.Split(in, "\n")
		for i, line := range lines {
			line = strings.TrimRight(line, "\r")
			lines[i] = line[strings.LastIndexByte(line, '\r')+1:]
		}
		var g progress
		var b strings.Builder
		for rest := []byte(in); len(rest) > 0; {
			k := min(int(n)+1, len(rest))
			b.Write(g.lines(rest[:k]))
			rest = rest[k:]
		}
		if b.Write(g.rest()); b.String() != strings.Join(lines, "\n") {
			t.Errorf("%q becomes %q", in, b.String())
		}
	})
}
