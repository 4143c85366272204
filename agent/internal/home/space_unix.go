//go:build !windows

package home

import (
	"fmt"
	"syscall"
)

// Free is how many bytes the daemon's user may still write below the home.
func (h Home) Free() (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(h.dir, &s); err != nil {
		return 0, fmt.Errorf("asking for free space at %s: %w", h.dir, err)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // the types differ between systems
}
