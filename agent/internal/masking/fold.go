package masking

import "strings"

// maxSpace is how many bytes a Writer holds back of what is no letter. A value that has more between its letters is not found.
const maxSpace = 64 << 10

// fold reads text as it was before something broke it into lines. Each sequence of white space is one blank, whatever is at the
// beginning of its lines: PowerShell draws a bar there.
type fold struct {
	blank bool // the last letter was a blank
	bar   bool // a line has begun
}

// letter is the next letter of the text, and false where c is none.
func (f *fold) letter(c byte) (byte, bool) {
	switch {
	case isBlank(c):
		again := f.blank
		f.blank, f.bar = true, f.blank && f.bar || c == '\n' || c == '\r'
		return ' ', !again
	case c == '|' && f.bar:
		f.bar = false
		return 0, false
	}
	*f = fold{}
	return c, true
}

func isBlank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// folded are the letters of a pattern, without white space around them.
func folded(pattern string) string {
	var f fold
	letters := make([]byte, 0, len(pattern))
	for rest := []byte(pattern); len(rest) > 0; {
		n, _ := colour(rest)
		if n == 0 {
			n = 1
			if c, ok := f.letter(rest[0]); ok {
				letters = append(letters, c)
			}
		}
		rest = rest[n:]
	}
	return strings.Trim(string(letters), " ")
}

const (
	escape = 0x1b
	// maxColour is the length of the longest code of a colour that is taken for one.
	maxColour = 32
)

// colour is the length of the code at the beginning of p, which is not empty, that gives text a colour, or clears the rest of its line as grep does
// then; 0 if there is none. more says that p ends before that is known.
func colour(p []byte) (n int, more bool) {
	if p[0] != escape {
		return 0, false
	}
	for i, c := range p[1:min(len(p), maxColour)] {
		switch {
		case i == 0:
			if c != '[' {
				return 0, false
			}
		case c == 'm' || c == 'K':
			return i + 2, false
		case (c < '0' || c > '9') && c != ';' && c != ':':
			return 0, false
		}
	}
	return 0, len(p) < maxColour
}
