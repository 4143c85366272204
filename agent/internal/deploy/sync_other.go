//go:build !linux

package deploy

import "os"

// syncTree puts everything below root on the disk.
func syncTree(root *os.Root, _ int) error { return syncEach(root) }
