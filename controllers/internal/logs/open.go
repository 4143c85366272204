package logs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// open reads the state of an existing file, and removes an incomplete last line that a crash left.
func (k *sink) open() error {
	if err := os.MkdirAll(filepath.Dir(k.path), 0o700); err != nil {
		return fmt.Errorf("creating the folder of a log: %w", err)
	}
	k.last = 0
	file, err := os.OpenFile(k.path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening a log: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("reading a log: %w", err)
	}
	if info.Size() > maxFile { // not written by this operator: do not change it
		k.size, k.text = maxAction+1, copyText(io.Discard, file)
		return nil
	}
	if err := k.scan(file); err != nil {
		return fmt.Errorf("reading a log: %w", err)
	}
	if err := file.Truncate(k.size); err != nil {
		return fmt.Errorf("removing an incomplete line from a log: %w", err)
	}
	if k.cut {
		k.size = maxAction + 1
	}
	return nil
}

// scan reads the state of a log from its lines. What follows its last line that is complete does not count.
func (k *sink) scan(file io.Reader) error {
	lines := bufio.NewReaderSize(file, maxTail)
	size, text := int64(0), int64(0)
	for {
		data, err := lines.ReadSlice('\n')
		size += int64(len(data))
		switch {
		case errors.Is(err, bufio.ErrBufferFull): // not written by this operator
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		l, ok := parseLine(data)
		if text += int64(len(l.text)); ok && l.continues {
			continue
		}
		k.size, k.text = size, text
		if ok {
			k.last, k.cut = l.number, string(l.text) == notice+"\n"
		}
	}
}
