package hostservice

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"
)

// Replace puts the program at source into the place of the one at target. Daemons, supervisors and scripts
// that run from the earlier one go on: on Windows, where a running program can be renamed but not replaced, it
// is kept beside target as NAME.old-TIME, and removed by a later Replace when nothing runs from it any more.
func Replace(target, source string) error {
	if err := replaceProgram(target, source, runtime.GOOS == "windows"); err != nil {
		return fmt.Errorf("replacing %s: %w", target, err)
	}
	return nil
}

func replaceProgram(target, source string, keep bool) error {
	same, err := sameFile(target, source)
	if err != nil {
		return err
	}
	if same {
		return errors.New("this is the installed program itself; call the new one")
	}
	next := target + ".new"
	if err := copyProgram(next, source); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	if !keep {
		return os.Rename(next, target)
	}
	earlier, err := filepath.Glob(filepath.Clean(target) + ".old-*")
	if err != nil {
		return err
	}
	for _, path := range earlier {
		_ = os.Remove(path) // in use, perhaps
	}
	old := target + ".old-" + strconv.FormatInt(time.Now().UnixMilli(), 10)
	if err := os.Rename(target, old); err != nil {
		return err
	}
	if err := os.Rename(next, target); err != nil {
		return errors.Join(err, os.Rename(old, target))
	}
	return nil
}

func sameFile(a, b string) (bool, error) {
	first, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	second, err := os.Stat(b)
	if err != nil {
		return false, err
	}
	return os.SameFile(first, second), nil
}

func copyProgram(target, source string) error {
	from, err := os.Open(source)
	if err != nil {
		return err
	}
	defer from.Close()
	if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a Replace that was cut off
		return err
	}
	to, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755) // #nosec G302 -- a program; no link is followed
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Sync(), to.Close())
}
