package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mantledeploy/mantle/agent/internal/cli"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// An administrator puts files back as root; the daemon that cannot read them says which, and how to give them to it.
func TestADaemonThatIsNotRootSaysWhichOfItsFilesItCannotRead(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of others")
	}
	dir := openFolder(t)
	t.Setenv(programVariable, copyOfProgram(t, dir))
	home := filepath.Join(dir, "home")
	_, operator := tentacletest.NewCertificate(t, "operator")
	initialise(t, home, operator)
	err := filepath.WalkDir(home, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, nobody, nobody))
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, exit := range map[string]int{"config.yaml": cli.ExitConfig, "key.pem": cli.ExitState, "certificate.pem": cli.ExitState, "trust.json": cli.ExitState} {
		path := filepath.Join(home, ".tentacle", name)
		if err := errors.Join(os.Chown(path, 0, 0), os.Chmod(path, 0o600)); err != nil {
			t.Fatal(err)
		}
		cmd := command(t.Context(), "run", "--home", home)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		out, _ := cmd.CombinedOutput()
		for _, want := range []string{path + " belongs to root and has mode 0600, so the daemon's user, nobody, cannot use it", "chown nobody " + path} {
			if !strings.Contains(string(out), want) || cmd.ProcessState.ExitCode() != exit {
				t.Errorf("%s: exit code %d, and it does not say %q: %s", name, cmd.ProcessState.ExitCode(), want, out)
			}
		}
		if err := os.Chown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
}
