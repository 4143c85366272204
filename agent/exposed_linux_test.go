package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/cli"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// Who can write trust.json of root's daemon is root, so no daemon is started then.
func TestNoDaemonServesAHomeThatOthersCouldChange(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to others")
	}
	_, operator := tentacletest.NewCertificate(t, "operator")
	for name, c := range map[string]struct {
		spoil  func(home string) error
		remedy string
	}{
		"the home is another user's": {func(home string) error {
			return filepath.WalkDir(home, func(path string, _ fs.DirEntry, err error) error {
				return errors.Join(err, os.Lchown(path, nobody, nobody))
			})
		}, "chown -R root"},
		"the folder above is open": {func(home string) error { return os.Chmod(filepath.Dir(home), 0o777) }, "chmod go-w"},
	} {
		t.Run(name, func(t *testing.T) {
			home := filepath.Join(t.TempDir(), "home")
			initialise(t, home, operator)
			if err := c.spoil(home); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a daemon would serve for ever
			defer cancel()
			cmd := command(ctx, "run", "--home", home, "--listen", "127.0.0.1:0")
			out, _ := cmd.CombinedOutput()
			if exit := cmd.ProcessState.ExitCode(); exit != cli.ExitState || !strings.Contains(string(out), c.remedy) {
				t.Errorf("exit code %d, and it says: %s", exit, out)
			}
			out, err := command(t.Context(), "doctor", "--home", home).Output()
			if err == nil || !strings.Contains(string(out), c.remedy) {
				t.Errorf("doctor: %v, and it says: %s", err, out)
			}
		})
	}
}
