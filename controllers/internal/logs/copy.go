package logs

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/types"
)

// newest returns the path of an attempt's file; attempt 0 means the newest one. It is empty if there is none.
func (s *Store) newest(namespace string, run types.UID, target, step string, attempt int32) (path string) {
	if attempt > 0 {
		candidate, err := s.path(namespace, run, target, step, attempt)
		if err != nil || !exists(candidate) {
			return ""
		}
		return candidate
	}
	for attempt := int32(1); attempt <= maxAttempts; attempt++ {
		candidate, err := s.path(namespace, run, target, step, attempt)
		if err != nil || !exists(candidate) {
			break
		}
		path = candidate
	}
	return path
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// copyText writes the text of a log and returns its size. It ends early if writing fails.
func copyText(w io.Writer, file io.Reader) (size int64) { return (&copier{w: w}).copy(file) }

// copier writes the text of a log, with the time before each line if timestamps is set.
type copier struct {
	w          io.Writer
	timestamps bool
	// inside says that line number of the output goes on.
	inside bool
	number int64
}

// copy writes the text of a file and returns its size.
func (c *copier) copy(file io.Reader) (size int64) {
	lines := bufio.NewReaderSize(io.LimitReader(file, maxFile), maxTail)
	for {
		line, err := lines.ReadSlice('\n') // no line is longer than maxTail
		n, failed := c.line(line)
		if size += n; failed != nil || err != nil {
			return size
		}
	}
}

// line writes the text of one line of a file. A malformed line is skipped.
func (c *copier) line(data []byte) (size int64, err error) {
	l, ok := parseLine(data)
	if !ok {
		return 0, nil
	}
	if c.inside && l.number != c.number { // the rest of it is not in the file
		if _, err := io.WriteString(c.w, "\n"); err != nil {
			return 0, err
		}
		c.inside = false
	}
	if c.timestamps && !c.inside {
		if _, err := fmt.Fprintf(c.w, "%s ", l.occurred); err != nil {
			return 0, err
		}
	}
	c.inside, c.number = l.continues, l.number
	n, err := c.w.Write(l.text)
	return int64(n), err
}
