package text

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
)

func TestClean(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "line 1\n\tline 2 – ünï 漢 🙂", "line 1\n\tline 2 – ünï 漢 🙂"},
		{"empty", "", ""},
		{"colours", "\x1b[31mred\x1b[0m\x07", "red"},
		{"carriage return", "10%\r\n20%\r", "10%\n20%"},
		{"zero and delete", "a\x00b\x7fc", "abc"},
		{"C1", "caf\u00c2\u0080\u009b31m failed\u0085", "caf\u00c231m failed"},
		{"no UTF-8", "a\xffb\xc3", "ab"},
		{"surrogate", "a\xed\xa0\x80b", "ab"},
		{"byte-order mark", "\ufeffa\ufeff", "a"},
		{"non-characters", "a\ufdd0\ufffe\U0001ffffb\U0010fffe", "ab"},
		{"replacement character", "a\ufffdb", "a\ufffdb"},
		{"direction", "file\u202egpj.exe\u2066 and\u2069 \u202aon\u202c", "filegpj.exe and on"},
		{"marks of direction", "שלום\u200f!", "שלום\u200f!"},
	} {
		if got := Clean(c.in); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// Every character survives the way that kubectl takes to YAML, and back.
func TestWhatIsCleanIsYAML(t *testing.T) {
	for from := rune(0); from <= utf8.MaxRune; from += 1 << 12 {
		var b strings.Builder
		for r := from; r < from+1<<12; r++ {
			b.WriteRune(r)
		}
		want := Clean(b.String())
		coded, err := json.Marshal(map[string]string{"message": want})
		if err != nil {
			t.Fatal(err)
		}
		shown, err := yaml.JSONToYAML(coded)
		if err != nil {
			t.Fatalf("from %U: %v", from, err)
		}
		var back map[string]string
		if err := yaml.Unmarshal(shown, &back); err != nil || back["message"] != want {
			t.Fatalf("from %U: read back as something else (%v)", from, err)
		}
	}
}

func TestCutKeepsWholeCharacters(t *testing.T) {
	for _, text := range []string{"", "short", "ünïcödé 漢字 🙂🙂🙂", strings.Repeat("漢", 500), strings.Repeat("\x80", 40)} {
		for n := range 60 {
			head, tail := Cut(text, n), CutStart(text, n)
			if len(head) > n || len(tail) > n {
				t.Fatalf("%d bytes of %q: %q, %q", n, text, head, tail)
			}
			if utf8.ValidString(text) && (!utf8.ValidString(head) || !utf8.ValidString(tail)) {
				t.Fatalf("%d bytes of %q split a character: %q, %q", n, text, head, tail)
			}
			if cut := len(text) > n; n > 3 && (cut != (head != text) || cut && (!strings.HasSuffix(head, "…") || !strings.HasPrefix(tail, "…"))) {
				t.Fatalf("%d bytes of %q do not say that they were cut: %q, %q", n, text, head, tail)
			}
			if !strings.HasPrefix(text, strings.TrimSuffix(head, "…")) || !strings.HasSuffix(text, strings.TrimPrefix(tail, "…")) {
				t.Fatalf("%d bytes of %q are others: %q, %q", n, text, head, tail)
			}
		}
	}
}

func TestLine(t *testing.T) {
	if got := Line("  one\r\n\ttwo\u2028three\x1b \n"); got != "one two three" {
		t.Errorf("%q", got)
	}
}

func TestFew(t *testing.T) {
	for n, want := range []string{"", "a", "a, b", "a, b, c", "a, b, c, d", "a, b, c, d, e", "a, b, c, d, e and 1 more"} {
		if got := Few(strings.Split("abcdef", "")[:n]); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("caf\u00c2\u0080 failed\x1b[0m\xff")
	f.Fuzz(func(t *testing.T, s string) {
		clean := Clean(s)
		if !utf8.ValidString(clean) || len(clean) > len(s) || Clean(clean) != clean || strings.ContainsFunc(clean, hidden) {
			t.Fatalf("%q became %q", s, clean)
		}
	})
}
