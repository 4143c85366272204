package logs

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mantledeploy/mantle/api/tentacle"
)

// writeEntry writes an entry, in several lines if it is long, and returns the size of its text.
func writeEntry(to *bytes.Buffer, n int64, entry tentacle.ProcessOutput) (size int64) {
	rest, occurred := strings.ReplaceAll(entry.Text, "\n", " "), entry.Occurred.UTC().Format(time.RFC3339Nano)
	for {
		piece := firstPiece(rest)
		rest = rest[len(piece):]
		as, more := letter(entry.Source), entry.Continues || rest != ""
		size += int64(len(piece))
		if more {
			as += 'a' - 'A'
		} else {
			size++
		}
		fmt.Fprintf(to, "%d\t%c\t%s\t%s\n", n, as, occurred, piece)
		if rest == "" {
			return size
		}
	}
}

// letter returns the letter of a stream: O and E are the step's output and error output, D is output of its launcher.
func letter(source tentacle.ProcessOutputSource) byte {
	switch source {
	case tentacle.StdErr:
		return 'E'
	case tentacle.Debug:
		return 'D'
	default:
		return 'O'
	}
}

// firstPiece returns the first maxText bytes of a text, in whole characters.
func firstPiece(text string) string {
	if len(text) <= maxText {
		return text
	}
	for n := maxText; n > maxText-utf8.UTFMax; n-- {
		if utf8.RuneStart(text[n]) {
			return text[:n]
		}
	}
	return text[:maxText] // it is not UTF-8
}

// line is one line of a file.
type line struct {
	number         int64
	occurred, text []byte
	// continues says that the text goes on in the next line.
	continues bool
}

// parseLine parses a line of a file; false if it is malformed.
func parseLine(data []byte) (line, bool) {
	parts := bytes.SplitN(data, []byte("\t"), 4)
	if len(parts) < 4 {
		return line{}, false
	}
	l := line{occurred: parts[2], text: parts[3], continues: len(parts[1]) == 1 && parts[1][0] >= 'a'}
	if n, err := strconv.ParseInt(string(parts[0]), 10, 64); err == nil && n >= 0 && n <= maxNumber {
		l.number = n
	}
	if l.continues {
		l.text = bytes.TrimSuffix(l.text, []byte("\n"))
	}
	return l, true
}
