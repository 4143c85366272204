//go:build linux

package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// A service with a user of its own (service install --user) has what it takes to run scripts as another one. A
// script has none of it, whoever it runs as, and is nobody's but the account that was named.
func TestACapableDaemonStartsScriptsThatAreNot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give capabilities away")
	}
	for _, account := range []string{"", "daemon"} { // which every Linux has, with the number 1
		t.Run("scripts of "+account, func(t *testing.T) { capable(t, account) })
	}
}

func capable(t *testing.T, account string) {
	run, dir, uid := unprivileged(t)
	a, operatorThumbprint := tentacletest.NewCertificate(t, "operator")
	home := filepath.Join(dir, "home")
	e := halibut.Endpoint{Address: initialise(t, filepath.Join(t.TempDir(), "unused")).Address} // a free port
	output(t, "init", "--home", home, "--listen", e.Address, "--trust", string(operatorThumbprint), "--script-user", account)
	owned := filepath.Join(home, ".tentacle")
	if account == "" {
		owned = home
	}
	err := filepath.WalkDir(owned, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, uid)
	})
	if err != nil {
		t.Fatal(err)
	}
	e.Thumbprint = thumbprintOf(t, output(t, "show", "--json", "--home", home))
	cmd := run(context.Background(), "run", "--home", home)
	cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_KILL}
	p := launch(t, cmd, filepath.Join(t.TempDir(), "log"), e)
	o := operator(t, e, a)
	startScript(t, o, "who", "id -u; grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status | tr -d '\\t'")
	want := map[string]string{"": "65534", "daemon": "1"}[account]
	for _, set := range []string{"Inh", "Prm", "Eff", "Amb"} {
		want += "\nCap" + set + ":0000000000000000"
	}
	if code, out := finish(t, o, "who"); code != 0 || strings.TrimSpace(out) != want {
		t.Errorf("exit code %d, output %s\n%s", code, out, p.logged())
	}
}
