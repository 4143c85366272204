// Package regular reads files that others may have put in the place of what is expected: no more of them than a limit, and
// only regular files, so that nobody waits for the writer of a pipe.
package regular

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// ReadFile reads the file at path, at most limit bytes of it. more says that there are more. It fails if that is no regular file.
func ReadFile(path string, limit int64) (data []byte, more bool, err error) {
	f, err := checked(os.OpenFile(path, os.O_RDONLY|NoWait, 0))
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	data, err = io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, false, err
	}
	if int64(len(data)) > limit {
		return data[:limit], true, nil
	}
	return data, false, nil
}

// ReadWhole is ReadFile for a file that is of no use in part: it fails if there is more than limit.
func ReadWhole(path string, limit int64) ([]byte, error) {
	data, more, err := ReadFile(path, limit)
	if more {
		err = fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

// Open opens the file of a name in root to be read. It fails if that is no regular file.
func Open(root *os.Root, name string) (*os.File, error) {
	return checked(root.OpenFile(name, os.O_RDONLY|NoWait, 0))
}

func checked(f *os.File, err error) (*os.File, error) {
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file", f.Name())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
