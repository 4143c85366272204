package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Reader reads the lines of a log, oldest first, and later those that were added since. It changes nothing.
type Reader struct {
	dir  string
	file *os.File // the file that is written, once it was reached
	at   int64    // how far it was read
	last int64    // the number of the last line read
}

// NewReader makes a Reader of the log of the folder dir. Close it at the end.
func NewReader(dir string) *Reader { return &Reader{dir: dir} }

// Close ends the reading.
func (r *Reader) Close() {
	if r.file != nil {
		r.file.Close()
		r.file = nil
	}
}

// Next calls yield for each line that was not read yet, and returns at the end of the log, or with yield's error.
// What is no line is passed over; Verify speaks of it. line holds during the call only.
func (r *Reader) Next(yield func(line []byte, e Entry) error) error {
	if r.file != nil {
		if err := r.read(yield); err != nil {
			return err
		}
		if r.current() {
			return nil
		}
		if err := r.read(yield); err != nil { // what was written before it was put aside
			return err
		}
		r.Close()
	}
	return r.readFiles(yield)
}

// readFiles reads the files with lines that were not read yet, and keeps the last one open.
func (r *Reader) readFiles(yield func(line []byte, e Entry) error) error {
	_, files, err := snapshot(r.dir)
	defer closeAll(files)
	if err != nil && !errors.Is(err, errNoHead) {
		return err
	}
	for i, f := range files {
		if i+1 < len(files) && r.past(files[i+1].name) {
			continue
		}
		r.Close()
		if r.file, err = os.Open(filepath.Join(r.dir, f.name)); err != nil {
			return fmt.Errorf("reading the audit log: %w", err)
		}
		r.at = 0
		if err := r.read(yield); err != nil {
			return err
		}
	}
	return nil
}

// past tells whether all that comes before a file was read.
func (r *Reader) past(name string) bool {
	if r.last == 0 {
		return false
	}
	next, err := firstLine(filepath.Join(r.dir, name))
	return err == nil && next.Number <= r.last+1
}

// current tells whether the open file is the one that is written.
func (r *Reader) current() bool {
	mine, err := r.file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(filepath.Join(r.dir, currentFile))
	return err == nil && os.SameFile(mine, there) && there.Size() >= r.at
}

// read reads the open file from where it came to.
func (r *Reader) read(yield func([]byte, Entry) error) error {
	info, err := r.file.Stat()
	if err != nil {
		return fmt.Errorf("reading the audit log: %w", err)
	}
	in := newLines(io.NewSectionReader(r.file, r.at, max(info.Size()-r.at, 0)))
	for {
		data, whole, err := in.next()
		if errors.Is(err, io.EOF) || err == nil && !whole && len(data) < maxLine {
			return nil // the rest is being written
		}
		if err != nil {
			return fmt.Errorf("reading the audit log: %w", err)
		}
		r.at += int64(len(data))
		line := bytes.TrimSuffix(data, []byte("\n"))
		e, err := Decode(line)
		if err != nil || e.Number <= r.last {
			continue
		}
		r.last = e.Number
		if err := yield(line, e); err != nil {
			return err
		}
	}
}
