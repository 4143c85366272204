//go:build unix

package deploy

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/step"
)

// Scripts share a user with what installs packages, and can put a pipe in the place of any of its files. Neither an installation nor
// an inventory waits for the other end of one.
func TestPipesKeepNobodyWaiting(t *testing.T) {
	within := func(what string, f func()) {
		t.Helper()
		done := make(chan struct{})
		go func() {
			defer close(done)
			f()
		}()
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			t.Errorf("%s waits", what)
		}
	}
	home := t.TempDir()
	p := upload(t, home, step.FormatTar, tarOf(t, entry{name: "a"}))
	content := filepath.Join(home, filepath.FromSlash(p.Deploy.Content.Path))
	note := filepath.Join(filepath.Dir(content), verifiedFile)
	if err := syscall.Mkfifo(note, 0o600); err != nil {
		t.Skip("no pipes here:", err)
	}
	within("an inventory", func() {
		if all, err := Contents(home, ""); err != nil || len(all) != 0 {
			t.Errorf("%v, %v", all, err)
		}
	})
	within("an installation", func() {
		if _, err := Install(t.Context(), home, p, Options{}); err != nil {
			t.Error(err)
		}
	})
	if info, err := os.Lstat(note); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the note is %v, %v", info, err)
	}
	if err := errors.Join(os.Remove(content), syscall.Mkfifo(content, 0o600)); err != nil {
		t.Fatal(err)
	}
	within("an installation of a pipe", func() {
		if _, err := Install(t.Context(), home, p, Options{}); err == nil {
			t.Error("it was installed")
		}
	})
}
