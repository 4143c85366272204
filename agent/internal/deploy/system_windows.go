package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// makeLink makes a link at name to a folder beside it: a symbolic link where the user may make one,
// otherwise a junction, which everybody may.
func makeLink(root *os.Root, target, name string) error {
	if root.Symlink(target, name) == nil {
		return nil
	}
	at, to := filepath.Join(root.Name(), name), filepath.Join(root.Name(), target)
	if out, err := exec.Command("cmd", "/c", "mklink", "/J", at, to).CombinedOutput(); err != nil {
		return fmt.Errorf("making a junction: %w: %s", err, out)
	}
	return nil
}

// replaceLink puts a link into the place of another. Windows cannot replace a link to a folder in one
// step; a process that dies between leaves no link, and the next deployment makes it.
func replaceLink(root *os.Root, from, to string) error {
	if err := root.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return root.Rename(from, to)
}

// readLink is the name that a link made by makeLink points to.
func readLink(root *os.Root, name string) (string, error) {
	target, err := os.Readlink(filepath.Join(root.Name(), filepath.FromSlash(name)))
	return filepath.Base(target), err
}

// setMode does nothing: Windows has permissions of another kind, and what is installed can always be written.
func setMode(*os.Root, string, fs.FileMode) error { return nil }

// setFileMode does nothing.
func setFileMode(*os.File, fs.FileMode) error { return nil }

// syncNames does nothing: Windows writes names with the files.
func syncNames(*os.File) error { return nil }

// FreeBytes is how much this process can still write below path.
func FreeBytes(path string) (int64, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, fmt.Errorf("asking for the free space: %w", err)
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return 0, fmt.Errorf("asking for the free space: %w", err)
	}
	return int64(min(free, 1<<62)), nil //nolint:gosec // Bounded just before.
}
