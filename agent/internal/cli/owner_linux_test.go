package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// What root's commands leave in the state folder belongs to the user of the daemon, who could not read it otherwise.
func TestRootsCommandsLeaveTheStateToItsOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of others")
	}
	const daemon = 23456
	r := newRig(t)
	r.must("init")
	for at := filepath.Dir(r.home); at != os.TempDir() && at != "/"; at = filepath.Dir(at) { // the daemon's user gets to its home
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	walk := func(f func(path string, info fs.FileInfo)) {
		t.Helper()
		err := filepath.WalkDir(filepath.Join(r.home, ".tentacle"), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			f(path, info)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	walk(func(path string, _ fs.FileInfo) {
		if err := os.Chown(path, daemon, daemon); err != nil {
			t.Fatal(err)
		}
	})
	r.must("trust", "add", sha1a)
	if err := os.RemoveAll(filepath.Join(r.home, ".tentacle", "audit")); err != nil {
		t.Fatal(err)
	}
	r.must("trust", "add", sha1b)
	files := 0
	walk(func(path string, info fs.FileInfo) {
		files++
		if owner := info.Sys().(*syscall.Stat_t).Uid; owner != daemon {
			t.Errorf("%s belongs to %d", path, owner)
		}
	})
	if files < 8 {
		t.Errorf("only %d files were looked at", files)
	}
}
