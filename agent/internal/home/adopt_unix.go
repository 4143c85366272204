//go:build !windows

package home

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/mantledeploy/mantle/agent/internal/account"
)

// Adopt gives what root has just made in a folder that belongs to another to that other: where the daemon runs as a
// user of its own, it must be able to use what a command of root's leaves behind. f is a file without content or
// a folder; whatever was not root's alone is left as it is.
func Adopt(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	var own, folder syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &own); err != nil {
		return fmt.Errorf("looking at %s: %w", f.Name(), err)
	}
	if err := syscall.Lstat(filepath.Dir(f.Name()), &folder); err != nil {
		return fmt.Errorf("looking at the folder of %s: %w", f.Name(), err)
	}
	kind := own.Mode & syscall.S_IFMT
	empty := kind == syscall.S_IFREG && own.Size == 0 && own.Nlink == 1 || kind == syscall.S_IFDIR
	if own.Uid != 0 || folder.Uid == 0 || !empty {
		return nil
	}
	if err := f.Chown(int(folder.Uid), int(folder.Gid)); err != nil {
		return fmt.Errorf("giving %s to the owner of its folder: %w", f.Name(), err)
	}
	return nil
}

// AsOwner does f with the rights to files of the account that dir belongs to, where this process is root and that account is not:
// it could replace what is in dir by links while root works there, and have root write where it may not itself. What f makes
// belongs to that account. f must do its work itself, not in another goroutine.
func AsOwner(dir string, f func() error) error {
	if os.Geteuid() != 0 || runtime.GOOS != "linux" {
		return f()
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return f() // which finds out what is wrong
	}
	uid, _, _ := ownerOf(info)
	gid, _ := groupOf(info)
	if uid == 0 {
		return f()
	}
	return account.As(&account.Account{Name: userName(uid), UID: uid, GID: gid, Groups: []uint32{gid}}, f)
}
