//go:build !windows

package files

import (
	"path/filepath"
	"syscall"
	"testing"
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
