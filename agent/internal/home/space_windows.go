package home

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// Free is how many bytes the daemon's user may still write below the home.
func (h Home) Free() (int64, error) {
	dir, err := windows.UTF16PtrFromString(h.dir)
	if err != nil {
		return 0, fmt.Errorf("asking for free space at %s: %w", h.dir, err)
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(dir, &free, nil, nil); err != nil {
		return 0, fmt.Errorf("asking for free space at %s: %w", h.dir, err)
	}
	return int64(free), nil
}
