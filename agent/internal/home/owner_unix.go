//go:build !windows

package home

import (
	"io/fs"
	"syscall"
)

// ownerOf is the account that a file belongs to, and how many names the file has.
func ownerOf(info fs.FileInfo) (uid uint32, names uint64, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return stat.Uid, uint64(stat.Nlink), true //nolint:unconvert // the types differ between systems
}

// groupOf is the group that a file belongs to.
func groupOf(info fs.FileInfo) (gid uint32, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return stat.Gid, true
}
