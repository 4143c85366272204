package deploy

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncTree puts everything below root on the disk: one call for the file system, however many files.
func syncTree(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
}
