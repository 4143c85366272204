//go:build !windows

package identity

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mantledeploy/mantle/agent/internal/home"
)

func TestWhatRootReplacesBelongsToTheOwnerOfTheHome(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can leave something to others")
	}
	const daemon = 12345
	h, err := home.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(h.Dir()), 0o755); err != nil { // the daemon's user gets to its home
		t.Fatal(err)
	}
	if err := os.Chown(h.State(), daemon, daemon); err != nil {
		t.Fatal(err)
	}
	if _, err := Replace(h, own(t)); err != nil {
		t.Fatal(err)
	}
	p, err := New(false)
	if err != nil {
		t.Fatal(err)
	}
	aside, err := Replace(h, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{h.Key(), h.Certificate(), filepath.Dir(aside), aside} {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; owner != daemon || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s belongs to %d and has mode %v", path, owner, info.Mode())
		}
	}
}

func TestAFormerIdentityIsNotWrittenThroughALink(t *testing.T) {
	h, err := home.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	if err := os.Symlink(elsewhere, h.State("identities")); err != nil {
		t.Fatal(err)
	}
	if _, err := Replace(h, own(t)); err != nil {
		t.Fatal(err)
	}
	p, err := New(false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Replace(h, p); err == nil || !strings.Contains(err.Error(), "not a folder") {
		t.Errorf("%v", err)
	}
	if files, err := os.ReadDir(elsewhere); err != nil || len(files) != 0 {
		t.Errorf("it was written elsewhere: %v, %v", files, err)
	}
	if now, same, err := read(h, nil, nil); err != nil || same || len(now) == 0 {
		t.Errorf("the identity is lost: %v", err)
	}
}
