package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
	from := max(info.Size()-maxTail, 0)
	end, err := io.ReadAll(io.NewSectionReader(file, from, maxTail))
	if err != nil {
		return fmt.Errorf("reading a log: %w", err)
	}
	whole := bytes.LastIndexByte(end, '\n') + 1
	k.size = from + int64(whole)
	if err := file.Truncate(k.size); err != nil {
		return fmt.Errorf("removing an incomplete line from a log: %w", err)
	}
	k.text = copyText(io.Discard, io.NewSectionReader(file, 0, k.size))
	lastLine := end[:whole]
	lastLine = lastLine[bytes.LastIndexByte(bytes.TrimSuffix(lastLine, []byte("\n")), '\n')+1:]
	if bytes.HasSuffix(lastLine, []byte(notice+"\n")) {
		k.size = maxAction + 1
	}
	number, _, _ := strings.Cut(string(lastLine), "\t")
	if n, err := strconv.ParseInt(number, 10, 64); err == nil && n >= 0 && n <= maxNumber {
		k.last = n
	}
	return nil
}
