package deploy

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
)

// syncEach puts everything below root on the disk, file by file.
func syncEach(root *os.Root) error {
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && runtime.GOOS == "windows" || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		how := os.O_RDONLY
		if runtime.GOOS == "windows" {
			how = os.O_RDWR
		}
		f, err := root.OpenFile(name, how, 0)
		if errors.Is(err, fs.ErrPermission) {
			return nil // A read-only file cannot be opened for writing, as Windows wants for this.
		}
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}
