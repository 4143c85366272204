package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
)

// tail is what a writer finds at the end of a file.
type tail struct {
	last Head  // of the last whole line; zero where there is none
	size int64 // of the file
	// torn is how many bytes lie behind the last whole line, and sum what they are; ended tells that the last of
	// them is a line end.
	torn  int64
	sum   hash.Hash
	ended bool
	// rest is torn bytes that make up a whole line but for its end, and restHead the head that it makes.
	rest     *Entry
	restHead Head
	// met tells that the line of the expected head was found, and is the one that the head names.
	met bool
}

// findTail looks for the end of the chain in f, which expected should name, or a line before.
func findTail(f *os.File, expected Head) (tail, error) {
	info, err := f.Stat()
	if err != nil {
		return tail{}, fmt.Errorf("looking at the audit log: %w", err)
	}
	if t, found, err := glance(f, info.Size(), expected); found || err != nil {
		return t, err
	}
	return scan(io.NewSectionReader(f, 0, info.Size()), expected)
}

// glance reads the last line alone, and is content where that is the expected one.
func glance(f *os.File, size int64, expected Head) (t tail, found bool, err error) {
	data := make([]byte, min(size, maxLine))
	if _, err := f.ReadAt(data, size-int64(len(data))); err != nil && !errors.Is(err, io.EOF) {
		return tail{}, false, fmt.Errorf("reading the audit log: %w", err)
	}
	line, whole := bytes.CutSuffix(data, []byte("\n"))
	if !whole {
		return tail{}, false, nil
	}
	line = line[bytes.LastIndexByte(line, '\n')+1:]
	e, err := Decode(line)
	if err != nil || e.head(line) != expected {
		return tail{}, false, nil //nolint:nilerr // then the whole file is looked at
	}
	return tail{last: expected, size: size, met: true}, true, nil
}

// scan reads a whole file.
func scan(r io.Reader, expected Head) (tail, error) {
	t := tail{sum: sha256.New()}
	in := newLines(r)
	fresh := true // at the beginning of a line
	for {
		data, whole, err := in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return tail{}, fmt.Errorf("reading the audit log: %w", err)
		}
		t.size += int64(len(data))
		t.rest = nil
		e, err := Decode(bytes.TrimSuffix(data, []byte("\n")))
		switch {
		case err == nil && whole && fresh:
			t.last = e.head(data[:len(data)-1])
			t.met = t.met || t.last == expected
			t.torn = 0
			t.sum.Reset()
		default:
			if err == nil && fresh && t.torn == 0 {
				t.rest, t.restHead = &e, e.head(data)
			}
			t.torn += int64(len(data))
			t.ended = whole
			t.sum.Write(data)
		}
		fresh = whole
	}
	return t, nil
}

// lastOfOld returns the end of the newest file that is no longer written; where there is none, the beginning.
func lastOfOld(dir string) (Head, error) {
	names, err := list(dir)
	if err != nil {
		return Head{}, err
	}
	for i := len(names) - 1; i >= 0; i-- {
		if names[i] == currentFile {
			continue
		}
		f, err := os.Open(filepath.Join(dir, names[i]))
		if err != nil {
			return Head{}, fmt.Errorf("reading the audit log: %w", err)
		}
		t, err := scan(f, Head{})
		f.Close()
		if err != nil {
			return Head{}, err
		}
		if t.last.Count > 0 {
			return t.last, nil
		}
	}
	return beginning(), nil
}

// holds tells whether the line that head names is in one of the old files, or was removed with one.
func holds(dir string, head Head) (bool, error) {
	names, err := list(dir)
	if err != nil {
		return false, err
	}
	for i := len(names) - 1; i >= 0; i-- {
		path := filepath.Join(dir, names[i])
		first, err := firstLine(path)
		switch {
		case errors.Is(err, errLine) || errors.Is(err, io.EOF):
			return false, nil // it is torn or edited, and must not stop anybody
		case err != nil:
			return false, err
		case first.Number > head.Count:
			if first.before() == head {
				return true, nil
			}
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			return false, fmt.Errorf("reading the audit log: %w", err)
		}
		t, err := scan(f, head)
		f.Close()
		return t.met, err
	}
	return true, nil
}

// mark makes the entry that explains torn bytes, and what must be written before it so that nobody takes them for a
// line.
func (t tail) mark() (before []byte, e Entry) {
	if !t.ended {
		before = []byte("#\n")
		t.sum.Write(before)
	}
	return before, Entry{What: Torn, Count: t.torn + int64(len(before)), Digest: hex.EncodeToString(t.sum.Sum(nil)),
		Reason: "the bytes before this line are what was written of lines that never were whole"}
}
