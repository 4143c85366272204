package account

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

func nobody(t *testing.T) *Account {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("this test takes the rights of other accounts, for which it has to run as root")
	}
	return &Account{Name: "nobody", UID: 65534, GID: 65534, Groups: []uint32{65534}}
}

func owner(t *testing.T, path string) uint32 {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Uid
}

// theirs makes a folder of nobody, and beside it one of the daemon with a secret.
func theirs(t *testing.T) (folder, secret string) {
	t.Helper()
	dir := t.TempDir()
	for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	folder, secret = filepath.Join(dir, "theirs"), filepath.Join(dir, "ours", "secret")
	if err := errors.Join(os.Mkdir(folder, 0o700), os.Chown(folder, 65534, 65534), os.Mkdir(filepath.Dir(secret), 0o700), os.WriteFile(secret, []byte("s"), 0o600)); err != nil {
		t.Fatal(err)
	}
	return folder, secret
}

func TestFileWorkAsAnAccountIsHeldToItsRights(t *testing.T) {
	a := nobody(t)
	folder, secret := theirs(t)
	link := filepath.Join(folder, "link")
	err := As(a, func() error {
		return errors.Join(os.WriteFile(filepath.Join(folder, "made"), nil, 0o600), os.Symlink(secret, link))
	})
	if err != nil {
		t.Fatal(err)
	}
	if owner(t, filepath.Join(folder, "made")) != 65534 || owner(t, link) != 65534 {
		t.Error("what was made belongs to another")
	}
	for name, f := range map[string]func() error{
		"read":  func() error { _, err := os.ReadFile(link); return err },
		"write": func() error { return os.WriteFile(link, []byte("x"), 0o600) },
		"chmod": func() error { return os.Chmod(link, 0o666) },
		"chown": func() error { return os.Chown(link, 65534, 65534) },
	} {
		if err := As(a, f); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s through a link: %v", name, err)
		}
	}
	if data, err := os.ReadFile(secret); err != nil || string(data) != "s" || owner(t, secret) != 0 {
		t.Errorf("the daemon's own file: %q, %v", data, err)
	}
}

// Other goroutines, and this one afterwards, keep the rights that they have.
func TestTheRightsOfAnAccountStayWhereTheyWereTaken(t *testing.T) {
	a := nobody(t)
	folder, secret := theirs(t)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 50 {
				if err := As(a, func() error { _, err := os.ReadFile(secret); return err }); !errors.Is(err, fs.ErrPermission) {
					t.Errorf("as nobody: %v", err)
				}
				if _, err := os.ReadFile(secret); err != nil {
					t.Errorf("as the daemon: %v", err)
				}
			}
		})
	}
	all.Wait()
	if err := os.WriteFile(filepath.Join(folder, "x"), nil, 0o600); err != nil || owner(t, filepath.Join(folder, "x")) != 0 {
		t.Errorf("afterwards: %v", err)
	}
}

func TestOneWhoMayNotBecomeAnAccountIsToldAndDoesNothing(t *testing.T) {
	uid := uint32(os.Geteuid())
	if uid == 0 {
		t.Skip("root may become every account")
	}
	called := false
	err := As(&Account{Name: "other", UID: uid + 1, GID: 1}, func() error { called = true; return nil })
	if err == nil || called {
		t.Errorf("called: %t, %v", called, err)
	}
}
