package halibut

import (
	"fmt"
	"io"
	"strings"
)

const (
	// maxControlLine is the longest control line that is read, without its line end.
	maxControlLine = 64
	// maxInitial is how much is read of an initial request.
	maxInitial = 20_000
	// initialMX is the initial request of a Halibut client, without its blank line.
	initialMX = "MX"
)

// protocolError means that the peer sent something that it must not.
type protocolError struct{ what string }

func (e *protocolError) Error() string { return e.what }

func protocolErrorf(format string, args ...any) error {
	return &protocolError{what: fmt.Sprintf(format, args...)}
}

// The control lines (halibut.md section 2.1).
const (
	lineClient  = "MX-CLIENT"
	lineServer  = "MX-SERVER"
	lineNext    = "NEXT"
	lineProceed = "PROCEED"
	lineEnd     = "END"
	version     = " 1.0"
	crlf        = "\r\n"
)

// readLine reads a control line without its end. The first byte may be the end of the connection (io.EOF).
func readLine(source io.ByteReader) (string, error) {
	var line [maxControlLine]byte
	for n := 0; ; n++ {
		b, err := source.ReadByte()
		switch {
		case err != nil && n == 0:
			return "", err
		case err != nil:
			return "", noEOF(err)
		case b == '\r':
			if b, err = source.ReadByte(); err != nil {
				return "", noEOF(err)
			}
			if b != '\n' {
				return "", protocolErrorf("control line %q has CR without LF", line[:n])
			}
			return string(line[:n]), nil
		case b == '\n':
			return "", protocolErrorf("control line %q has LF without CR", line[:n])
		case n == len(line):
			return "", protocolErrorf("control line is longer than %d bytes", len(line))
		}
		line[n] = b
	}
}

// readControl reads a control line after any empty ones.
func readControl(source io.ByteReader) (string, error) {
	const maxEmpty = 16
	for range maxEmpty {
		line, err := readLine(source)
		if err != nil || line != "" {
			return line, err
		}
	}
	return "", protocolErrorf("there are only empty lines where a control line belongs")
}

// readIdentity reads the line by which a side names itself, with its blank line, and requires it to be want.
// The version is not looked at (halibut.md section 2.1).
func readIdentity(source io.ByteReader, want string) error {
	line, err := readLine(source)
	if err != nil {
		return err
	}
	if words := strings.Fields(line); len(words) == 0 || words[0] != want {
		return protocolErrorf("%q where %s belongs", line, want)
	}
	blank, err := readLine(source)
	if err == nil && blank != "" {
		err = protocolErrorf("%q where an empty line belongs after %s", blank, want)
	}
	return noEOF(err)
}

// readInitial reads the initial request up to its blank line, without CR: "MX" from a client, or that of a
// browser (halibut.md section 1.8). Where it is too long, it returns its beginning.
func readInitial(source io.ByteReader) (string, error) {
	text := make([]byte, 0, maxControlLine)
	for range maxInitial {
		b, err := source.ReadByte()
		if err != nil {
			return "", err
		}
		if b == '\r' {
			continue
		}
		if n := len(text); b == '\n' && n > 0 && text[n-1] == '\n' {
			return string(text[:n-1]), nil
		}
		text = append(text, b)
	}
	return string(text), nil
}
