package text

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mantledeploy/mantle/api/ansi"
)

// ellipsis marks where a text was cut.
const ellipsis = "…"

// Clean returns the text without what YAML or a terminal cannot show. It removes escape sequences such as colours, other
// control characters except newline and tab, invalid UTF-8, the byte-order mark, non-characters, and controls that change
// the direction of text.
func Clean(s string) string {
	s = ansi.Strip(s)
	if !strings.ContainsFunc(s, hidden) && utf8.ValidString(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if hidden(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

// Line is Clean for text on one line: every sequence of white space becomes one space.
func Line(s string) string { return strings.Join(strings.Fields(Clean(s)), " ") }

// Cut returns at most n bytes from the beginning of a text, in whole characters, with "…" at the end if it was cut.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	if n <= len(ellipsis) {
		return first(s, n)
	}
	return first(s, n-len(ellipsis)) + ellipsis
}

// CutStart returns at most n bytes from the end of a text, in whole characters, with "…" at the beginning if it was cut.
func CutStart(s string, n int) string {
	if len(s) <= n {
		return s
	}
	if n <= len(ellipsis) {
		return last(s, n)
	}
	return ellipsis + last(s, n-len(ellipsis))
}

// Duration returns a duration as a person writes it, without units that are zero.
func Duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// maxNamed bounds how many names Few lists.
const maxNamed = 5

// Few returns a list of at most five names for a message, and says how many more there are.
func Few(names []string) string {
	if len(names) <= maxNamed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), len(names)-maxNamed)
}

// first returns the longest prefix of s of at most n bytes that does not end inside a character.
func first(s string, n int) string {
	n = max(n, 0)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// last returns the longest suffix of s of at most n bytes that does not begin inside a character.
func last(s string, n int) string {
	from := len(s) - max(n, 0)
	for from < len(s) && !utf8.RuneStart(s[from]) {
		from++
	}
	return s[from:]
}

// hidden reports whether Clean removes a character.
func hidden(r rune) bool {
	switch {
	case r == '\n', r == '\t':
		return false
	case r < ' ', r >= 0x7f && r <= 0x9f: // C0, DEL, C1
		return true
	case r == 0xfeff, r >= 0xfdd0 && r <= 0xfdef, r&0xfffe == 0xfffe: // byte-order mark, non-characters
		return true
	default:
		return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 // embeddings, overrides, isolates
	}
}
