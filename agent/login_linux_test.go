package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// systemd gives a service of root no HOME, USER and SHELL; its scripts have them all the same.
func TestScriptsHaveALogin(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	a, thumbprint := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, thumbprint)
	cmd := command(context.Background(), "run", "--home", home)
	cmd.Env = []string{actAsTentacle + "=1", "LANG=C.UTF-8"}
	launch(t, cmd, home+".log", e)
	o := operator(t, e, a)
	startScript(t, o, "login", `set -eu; account=$(getent passwd "$(id -u)" || echo "::::/:/bin/sh")
echo "$HOME $USER $LOGNAME $SHELL"; IFS=: read -r name _ _ _ _ home shell <<<"$account"; echo "$home $name $name $shell"; cd; df -k "$HOME" >/dev/null; env | grep -q ^PATH=`)
	code, out := finish(t, o, "login")
	if got, want, _ := strings.Cut(out, "\n"); code != 0 || got != want || got == "" {
		t.Errorf("exit code %d: the script has %q, its account is %q", code, got, want)
	}
}
