// Package ansi takes out of text what programs write for a terminal: codes of colours, moves of the cursor, titles of windows.
package ansi

import "strings"

const escape = 0x1b

// Strip returns the text without escape sequences. What only begins as one stays, as it is.
func Strip(text string) string {
	at := strings.IndexByte(text, escape)
	if at < 0 {
		return text
	}
	var b strings.Builder
	for ; at >= 0; at = strings.IndexByte(text, escape) {
		b.WriteString(text[:at])
		text = text[at:]
		n := length(text)
		if n == 0 {
			n = 1
			b.WriteByte(escape)
		}
		text = text[n:]
	}
	return b.String() + text
}

// length is the length of the sequence that text begins with, 0 if there is none. A text may end within a sequence.
func length(text string) int {
	if len(text) < 2 {
		return 0
	}
	switch c := text[1]; {
	case c == '[': // ESC [ parameters, and a letter: colours and moves
		return ended(text, 2, '0', '?')
	case c == ']': // ESC ] a text, and BEL or ESC \: titles and links
		return command(text)
	case c >= ' ' && c <= '/': // ESC ( a letter: sets of characters
		return ended(text, 1, ' ', '/')
	}
	return 0
}

// ended is where a sequence ends that has bytes of the range from low to high at i, then of the one before '0', then one that ends it.
func ended(text string, i int, low, high byte) int {
	for i < len(text) && text[i] >= low && text[i] <= high {
		i++
	}
	for i < len(text) && text[i] >= ' ' && text[i] <= '/' {
		i++
	}
	switch {
	case i == len(text):
		return i
	case text[i] >= '0' && text[i] <= '~':
		return i + 1
	}
	return 0
}

// command is where a sequence with a text in it ends. It is no longer than its line.
func command(text string) int {
	for i := 2; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\a':
			return i + 1
		case c == escape && strings.HasPrefix(text[i+1:], `\`):
			return i + 2
		case c < ' ':
			return 0
		}
	}
	return 0
}
