package logs

import (
	"bufio"
	"bytes"
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
func copyText(w io.Writer, file io.Reader) (size int64) { return copyLines(w, file, false) }

// copyLines writes the text of a log, with the time before each line if timestamps is set, and returns the size of the
// text.
func copyLines(w io.Writer, file io.Reader, timestamps bool) (size int64) {
	lines := bufio.NewReaderSize(io.LimitReader(file, maxFile), maxTail)
	for {
		line, err := lines.ReadSlice('\n') // no line is longer than maxTail
		n, failed := copyLine(w, line, timestamps)
		if size += n; failed != nil || err != nil {
			return size
		}
	}
}

// copyLine writes the text of one line of a file. A malformed line is skipped.
func copyLine(w io.Writer, line []byte, timestamps bool) (size int64, err error) {
	parts := bytes.SplitN(line, []byte("\t"), 4)
	if len(parts) < 4 {
		return 0, nil
	}
	if timestamps {
		if _, err := fmt.Fprintf(w, "%s ", parts[2]); err != nil {
			return 0, err
		}
	}
	n, err := w.Write(parts[3])
	return int64(n), err
}
