package deploy

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// fewEntries is up to how many entries are put on the disk one by one. The other way, one call for the
// whole file system, writes what others have left unwritten too, but does not grow with their number.
const fewEntries = 500

// syncTree puts everything below root, about that many entries, on the disk.
func syncTree(root *os.Root, entries int) error {
	if entries <= fewEntries {
		return syncEach(root)
	}
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
}
