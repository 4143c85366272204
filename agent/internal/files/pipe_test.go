//go:build !windows

package files

import (
	"crypto/x509"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/owners"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
)

func TestAPipeIsNoFileAndKeepsNobodyWaiting(t *testing.T) {
	s, h := newStore(t)
	if err := syscall.Mkfifo(filepath.Join(h.Dir(), "Files", "pipe"), 0o600); err != nil {
		t.Skip("no pipes here:", err)
	}
	if _, found, err := download(t, s, "Files/pipe"); found || err != nil {
		t.Errorf("found %v, %v; want null", found, err)
	}
}

// A script can put a pipe where the daemon notes who has sent a content. The upload fails, or not, but it ends.
func TestAPipeInThePlaceOfANoteKeepsNoUploadWaiting(t *testing.T) {
	s, h := newStore(t)
	path := step.ContentPath(strings.Repeat("a1", 32), step.FormatTar)
	if _, err := s.UploadFile(as(t, "first"), path, stream("content")); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Dir(filepath.Join(h.Dir(), filepath.FromSlash(path)))
	second := string(halibut.SHA256Thumbprint(&x509.Certificate{Raw: []byte("second")}))
	if err := syscall.Mkfifo(filepath.Join(folder, owners.File(second)), 0o600); err != nil {
		t.Skip("no pipes here:", err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := s.UploadFile(as(t, "second"), path, stream("content"))
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Log(err)
	case <-time.After(30 * time.Second):
		t.Error("it waits for a reader of the pipe")
	}
}
