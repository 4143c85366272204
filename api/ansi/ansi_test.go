package ansi

import (
	"strings"
	"testing"
)

func TestStrip(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "grüße [31m", "grüße [31m"},
		{"colours", "\x1b[31mred\x1b[0m and \x1b[38;2;10;20;30mmore\x1b[m", "red and more"},
		{"colours with colons", "\x1b[38:5:200mred", "red"},
		{"nothing else", "\x1b[31;1m\x1b[0m", ""},
		{"moves", "50%\x1b[2K\x1b[1G60%\x1b[?25l", "50%60%"},
		{"a set of characters", "a\x1b(Bb", "ab"},
		{"a title", "\x1b]0;building…\aa", "a"},
		{"a link", "see \x1b]8;;https://x/\x1b\\docs\x1b]8;;\x1b\\.", "see docs."},
		{"a title without an end", "\x1b]0;a\nb", "\x1b]0;a\nb"},
		{"an end within a code", "red\x1b[31;", "red"},
		{"no code", "a\x1b[\nb\x1bc\x1b", "a\x1b[\nb\x1bc\x1b"},
		{"codes of codes", "\x1b\x1b[0m[31mred", "\x1b[31mred"},
	} {
		if got := Strip(c.in); got != c.want {
			t.Errorf("%s: %q becomes %q, want %q", c.name, c.in, got, c.want)
		}
	}
}

// A text of nothing but beginnings is read once for each of its lines, not for each beginning in them.
func TestStripIsLinear(t *testing.T) {
	text := strings.Repeat("\x1b]", 1<<20)
	if got := Strip(text); got != text {
		t.Errorf("%d bytes", len(got))
	}
}
