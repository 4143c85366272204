package journal

import (
	"bufio"
	"errors"
	"io"
)

// lineReader reads lines of any bytes and passes over those that are too long to be a row.
type lineReader struct {
	r *bufio.Reader
}

func newLineReader(r io.Reader) lineReader {
	return lineReader{bufio.NewReaderSize(r, 2*maxRow)}
}

// next is the next line; a line that is too long comes as an empty one. A line without an end is torn
// and is not given.
func (l lineReader) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	if err == nil {
		return line, nil
	}
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = l.r.ReadSlice('\n')
	}
	return nil, err
}
