package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/mantledeploy/mantle/agent/internal/home"
)

// fileError is a file that somebody named and that cannot be used, with what to do about it.
type fileError struct {
	error
	remedy string
}

func (e fileError) Unwrap() error { return e.error }

// readGiven reads a file that the command line names, by the flag what, or as an argument.
func readGiven(what, path string, limit int64) ([]byte, error) {
	data, err := home.ReadFile(path, limit)
	if err != nil {
		return nil, givenError(what, path, err)
	}
	return data, nil
}

// givenError says of a file that the command line names what is wrong with it and what to do.
func givenError(what, path string, err error) error {
	if what != "" {
		what += ": "
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		remedy := "name a file that is there"
		if here, wrong := os.Getwd(); wrong == nil && !filepath.IsAbs(path) {
			remedy += "; it was looked for in " + here
		}
		return fileError{usageError{fmt.Errorf("%sthere is no file %s", what, path)}, remedy}
	case errors.Is(err, fs.ErrPermission):
		return fileError{fmt.Errorf("%syou may not read %s", what, path), "run this as the file's owner, or as root"}
	case errors.Is(err, syscall.EISDIR):
		return fileError{usageError{fmt.Errorf("%s%s is a folder", what, path)}, "name the file in it"}
	}
	return fmt.Errorf("%s%w", what, err)
}

// cannotWrite says of a file that the command line names why it cannot be made.
func cannotWrite(path string, err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	wrapped := fmt.Errorf("writing %s: %w", path, err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fileError{usageError{wrapped}, "make its folder first, or name a file in one that is there"}
	case errors.Is(err, fs.ErrPermission):
		return fileError{wrapped, "name a file in a folder that you may write to"}
	}
	return wrapped
}
