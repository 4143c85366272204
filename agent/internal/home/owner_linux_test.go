package home

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// The account of a daemon that is not root's can put a link in the place of its state folder while a command of root's works there.
// The command must not write where the link leads, but what the account could write itself.
func TestRootIsNotLedElsewhereByTheOwnerOfTheState(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root has more rights than the owner of the state")
	}
	const daemon = 23456
	h := newHome(t)
	for at := h.Dir(); at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(h.State(), daemon, daemon); err != nil {
		t.Fatal(err)
	}
	write := func() error {
		return h.Change(func() error { return WriteFile(h.Trust(), []byte("{}")) })
	}
	if err := write(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(h.Trust()); err != nil || info.Sys().(*syscall.Stat_t).Uid != daemon {
		t.Errorf("%v, %v", info, err)
	}
	roots := t.TempDir() // of mode 0755
	if err := os.Rename(h.State(), h.Dir()+"/moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(roots, h.State()); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(h.State(), daemon, daemon); err != nil {
		t.Fatal(err)
	}
	if err := write(); err == nil {
		t.Error("it was written")
	}
	if made, err := os.ReadDir(roots); err != nil || len(made) > 0 {
		t.Errorf("root made %v, %v", made, err)
	}
}
