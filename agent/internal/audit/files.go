package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	currentFile = "audit.jsonl"
	lockFile    = "lock"
	oldPrefix   = "audit-"
	oldSuffix   = ".jsonl"
	// maxFiles bounds what is looked at; far fewer are kept.
	maxFiles = 10_000
)

func oldName(first int64) string { return fmt.Sprintf("%s%012d%s", oldPrefix, first, oldSuffix) }

// list gives the names of the log's files, oldest first.
func list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing the audit log: %w", err)
	}
	var old []string
	current := false
	for _, e := range entries[:min(len(entries), maxFiles)] {
		name := e.Name()
		number, found := strings.CutPrefix(strings.TrimSuffix(name, oldSuffix), oldPrefix)
		if _, err := strconv.ParseUint(number, 10, 63); found && err == nil && strings.HasSuffix(name, oldSuffix) {
			old = append(old, name)
		}
		current = current || name == currentFile
	}
	slices.SortFunc(old, func(a, b string) int { // longer numbers are larger
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	if current {
		old = append(old, currentFile)
	}
	return old, nil
}

// lines reads a file line by line.
type lines struct {
	in *bufio.Reader
}

func newLines(r io.Reader) *lines { return &lines{in: bufio.NewReaderSize(r, maxLine)} }

// next returns what comes up to and with the next line end; whole is false for the rest of a file without
// one, and for a part of what is longer than a line can be. data holds until the next call.
func (l *lines) next() (data []byte, whole bool, err error) {
	data, err = l.in.ReadSlice('\n')
	switch {
	case err == nil:
		return data, true, nil
	case errors.Is(err, bufio.ErrBufferFull):
		return data, false, nil
	case errors.Is(err, io.EOF) && len(data) > 0:
		return data, false, nil
	default:
		return nil, false, err
	}
}

// firstLine returns the first line of a file, and its entry.
func firstLine(path string) (Entry, error) {
	f, err := os.Open(path)
	if err != nil {
		return Entry{}, fmt.Errorf("reading the audit log: %w", err)
	}
	defer f.Close()
	data, whole, err := newLines(f).next()
	if err != nil {
		return Entry{}, fmt.Errorf("reading %s: %w", filepath.Base(path), err)
	}
	if !whole {
		return Entry{}, fmt.Errorf("reading %s: %w", filepath.Base(path), errLine)
	}
	return Decode(data[:len(data)-1])
}
