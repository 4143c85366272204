//go:build unix

package files

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// takePlace moves a file into the place of an empty one, whose name in folder is temp, so that its content is written once. It
// returns false where that cannot be, or where the file would differ from one that was made there: it is to be copied then.
func takePlace(spooled string, folder *os.Root, temp string, empty *os.File) bool {
	want, err := empty.Stat()
	if err != nil {
		return false
	}
	have, err := os.Lstat(spooled)
	if err != nil || !have.Mode().IsRegular() {
		return false
	}
	a, known := want.Sys().(*syscall.Stat_t)
	b, alsoKnown := have.Sys().(*syscall.Stat_t)
	if !known || !alsoKnown || a.Dev != b.Dev || a.Uid != b.Uid || a.Gid != b.Gid {
		return false
	}
	into, err := folder.Open(".")
	if err != nil {
		return false
	}
	defer into.Close()
	return os.Chmod(spooled, want.Mode().Perm()) == nil && unix.Renameat(unix.AT_FDCWD, spooled, int(into.Fd()), temp) == nil
}
