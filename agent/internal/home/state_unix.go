//go:build !windows

package home

import "os"

// closeState lets only its owner into the state folder.
func closeState(dir string) error {
	return os.Chmod(dir, 0o700) // #nosec G302 -- a folder needs its execute bit
}
