//go:build unix

package regular

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestWhatIsReadIsAFileWithinItsLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if _, _, err := ReadFile(path, 4); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	for text, more := range map[string]bool{"": false, "four": false, "five5": true} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		data, cut, err := ReadFile(path, 4)
		if err != nil || cut != more || string(data) != text[:min(4, len(text))] {
			t.Errorf("%q: %q, %v, %v", text, data, cut, err)
		}
		if data, err := ReadWhole(path, 4); (err != nil) != more || !more && string(data) != text {
			t.Errorf("%q whole: %q, %v", text, data, err)
		}
	}
}

func TestAPipeKeepsNobodyWaiting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := ReadWhole(path, 4)
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a pipe was read")
		}
	case <-time.After(30 * time.Second):
		t.Error("it waits for a writer")
	}
}
