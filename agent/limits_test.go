//go:build linux

package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// TestAStartOfManyFilesTakesFewDescriptors gives a daemon 200 descriptors and a script as many files and folders as it
// may have.
func TestAStartOfManyFilesTakesFewDescriptors(t *testing.T) {
	const count = 1000
	home := filepath.Join(t.TempDir(), "home")
	a, first := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, first)
	run := command(context.Background(), "run", "--home", home)
	limited := exec.Command("/bin/bash", append([]string{"-c", `ulimit -n 200; exec "$@"`, "bash"}, run.Args...)...)
	limited.Env = run.Env
	launch(t, limited, home+".log", e)
	c := operator(t, e, a)
	cmd := tentacle.StartScriptCommandV2{ScriptTicket: ticket("many"), ScriptBody: "cat d*/f | sort -u; ls -d d*/f | wc -l", TaskID: "many"}
	for i := range count {
		cmd.Files = append(cmd.Files, tentacle.ScriptFile{Name: fmt.Sprintf("d%d/f", i)})
	}
	cmd.Files[0].Contents = halibut.NewDataStreamBytes([]byte("content\n"))
	if r, err := c.StartScript(t.Context(), cmd); err != nil || r.State == tentacle.Complete && r.ExitCode != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if code, out := finish(t, c, "many"); code != 0 || out != fmt.Sprintf("content\n%d", count) {
		t.Errorf("exit code %d, %q", code, out)
	}
}
