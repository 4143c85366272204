//go:build !windows

package home

import (
	"errors"
	"os"
)

// closeState lets only its owner into the state folder.
func closeState(dir string) error {
	info, err := os.Lstat(dir)
	if err == nil && !info.IsDir() {
		return nil // Open refuses it: whose mode that would be is somebody else's to decide
	}
	return errors.Join(err, os.Chmod(dir, 0o700)) // #nosec G302 -- a folder needs its execute bit
}
