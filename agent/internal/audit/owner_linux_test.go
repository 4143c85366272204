package audit

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

// A daemon that is not root's can put links in the place of its log's files. A command of root's that writes a line follows
// them with the rights of the daemon's account only.
func TestRootIsNotLedElsewhereByTheOwnerOfTheLog(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root has more rights than the owner of the log")
	}
	const daemon = 23456
	for _, name := range []string{currentFile, headFile} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "audit")
			for at := filepath.Dir(dir); at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
				if err := os.Chmod(at, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			roots := filepath.Join(t.TempDir(), "roots")
			const before = "root's own\n"
			err := errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, daemon, daemon), os.WriteFile(roots, []byte(before), 0o600),
				os.Symlink(roots, filepath.Join(dir, name)), os.Lchown(filepath.Join(dir, name), daemon, daemon))
			if err != nil {
				t.Fatal(err)
			}
			l, err := Open(dir, slog.New(slog.DiscardHandler))
			if err == nil {
				_ = l.Append(Entry{What: Daemon, Decision: "started"})
				_ = l.Close()
			}
			if text, err := os.ReadFile(roots); err != nil || string(text) != before {
				t.Errorf("root's file is now %q, %v", text, err)
			}
		})
	}
}
