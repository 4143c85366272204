//go:build unix

package deploy

import (
	"io/fs"
	"os"
	"syscall"
)

// makeLink makes a link at name to a folder beside it.
func makeLink(root *os.Root, target, name string) error { return root.Symlink(target, name) }

// replaceLink puts a link into the place of another, in one step.
func replaceLink(root *os.Root, from, to string) error { return root.Rename(from, to) }

// readLink is the name that a link made by makeLink points to.
func readLink(root *os.Root, name string) (string, error) { return root.Readlink(name) }

// setMode gives a file or folder its permissions.
func setMode(root *os.Root, name string, mode fs.FileMode) error { return root.Chmod(name, mode) }

// setFileMode is setMode for a file that is open.
func setFileMode(f *os.File, mode fs.FileMode) error { return f.Chmod(mode) }

// syncNames puts the names in an open folder on the disk.
func syncNames(d *os.File) error { return d.Sync() }

// FreeBytes is how much an unprivileged process can still write below path.
func FreeBytes(path string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return int64(st.Bavail) * int64(st.Bsize), nil //nolint:unconvert // The types differ between systems.
}
