package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// In a container without an init the Tentacle is process 1, and parent of all that scripts leave behind.
func TestTheFirstProcessWaitsForOrphans(t *testing.T) {
	if err := exec.Command("unshare", "--pid", "--fork", "--mount-proc", "true").Run(); err != nil {
		t.Skip("this user cannot make a PID namespace")
	}
	home := filepath.Join(t.TempDir(), "home")
	a, thumbprint := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, thumbprint)
	cmd := command(context.Background(), "run", "--home", home)
	cmd.Args = append([]string{"unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--", cmd.Path}, cmd.Args[1:]...)
	cmd.Path, cmd.Err = mustFind(t, "unshare"), nil
	p := launch(t, cmd, filepath.Join(t.TempDir(), "log"), e)
	o := operator(t, e, a)
	for _, id := range []string{"one", "two"} {
		startScript(t, o, id, "for i in 1 2 3; do (setsid sleep 0.1 >/dev/null 2>&1 &); done")
		if code, out := finish(t, o, id); code != 0 {
			t.Fatalf("exit code %d, output %s\n%s", code, out, p.logged())
		}
	}
	children := childrenOf(t, p.cmd.Process.Pid)
	if len(children) != 1 {
		t.Fatalf("unshare has the children %v", children)
	}
	eventually(t, "process 1 has no child but the daemon", func() bool { return len(childrenOf(t, children[0])) == 1 })
	if err := syscall.Kill(children[0], syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the daemon ends with its init", func() bool { return len(childrenOf(t, p.cmd.Process.Pid)) == 0 })
}

func mustFind(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// childrenOf are the processes that have this one as their parent.
func childrenOf(t *testing.T, pid int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var all []int
	for _, path := range stats {
		stat, err := os.ReadFile(path) // #nosec G304 -- of /proc
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, child)
		}
	}
	return all
}
