//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// counting is a script that notes that it ran, and says twenty lines until it is let go.
type counting struct{ marks, begun, goOn string }

func newCounting(dir string) counting {
	return counting{filepath.Join(dir, "marks"), filepath.Join(dir, "begun"), filepath.Join(dir, "go on")}
}

func (c counting) body() string {
	return fmt.Sprintf("echo ran >> '%s'; for i in $(seq 1 10); do echo line $i; done; touch '%s'; while ! test -e '%s'; do sleep 0.05; done; for i in $(seq 11 20); do echo line $i; done; exit 7",
		c.marks, c.begun, c.goOn)
}

// check follows the script to its end, and holds it to having run once, whole.
func (c counting) check(t *testing.T, o *tentacle.Client, id string) {
	t.Helper()
	if err := os.WriteFile(c.goOn, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	lines := make([]string, 20)
	for i := range lines {
		lines[i] = fmt.Sprintf("line %d", i+1)
	}
	if code, out := finish(t, o, id); code != 7 || out != strings.Join(lines, "\n") {
		t.Errorf("the script ended with %d and said %q", code, out)
	}
	if marks, err := os.ReadFile(c.marks); err != nil || string(marks) != "ran\n" {
		t.Errorf("the script ran: %q, %v", marks, err)
	}
}

// A service manager, or a terminal that is closed, may end all that belongs to the daemon's process group.
func TestAScriptOutlivesTheDaemonsProcessGroup(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	a, first := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, first)
	cmd := command(context.Background(), "run", "--home", home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p := launch(t, cmd, home+".log", e)
	c := newCounting(t.TempDir())
	startScript(t, operator(t, e, a), "survivor", c.body())
	eventually(t, "the script begins", func() bool { return exists(c.begun) })
	if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	start(t, home, e)
	c.check(t, operator(t, e, a), "survivor")
}

func TestAServiceThatIsStoppedListsScriptsOrEndsThem(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	a, first := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, first)
	p := start(t, home, e)
	c := newCounting(t.TempDir())
	startScript(t, operator(t, e, a), "Survivor", c.body())
	eventually(t, "the script begins", func() bool { return exists(c.begun) })
	stop := command(t.Context(), "service", "stop", "--home", home)
	if out, err := stop.CombinedOutput(); err == nil || !strings.Contains(string(out), "process "+strconv.Itoa(p.cmd.Process.Pid)) {
		t.Errorf("a daemon that no service manager started: %v, %s", err, out)
	}
	p.kill()
	if out := ask(t, home, "service", "stop"); !strings.Contains(out, "Survivor") || !strings.Contains(out, string(first)) && !strings.Contains(out, "sha256:") || !strings.Contains(out, "stop --scripts") {
		t.Errorf("it says %s", out)
	}
	if out := ask(t, home, "service", "stop", "--scripts"); !strings.Contains(out, "Survivor ended with the exit code -43") {
		t.Errorf("it says %s", out)
	}
	if out := ask(t, home, "service", "stop"); !strings.Contains(out, "No script runs") {
		t.Errorf("it says %s", out)
	}
	start(t, home, e)
	if code, out := finish(t, operator(t, e, a), "Survivor"); code != tentacle.ExitCanceled || !strings.HasSuffix(out, "line 10") {
		t.Errorf("the script ended with %d and said %q", code, out)
	}
}

// unprivileged is a user without rights: the tests' own, or nobody where they run as root. run prepares a call
// of this program by that user, whose folder is dir.
func unprivileged(t *testing.T) (run func(ctx context.Context, args ...string) *exec.Cmd, dir string, uid int) {
	t.Helper()
	dir, err := os.MkdirTemp("", "unprivileged-*") //nolint:usetesting // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "bin", "tentacle")
	self, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = os.Mkdir(filepath.Dir(program), 0o755)
	}
	if err == nil {
		err = os.WriteFile(program, self, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	var attributes *syscall.SysProcAttr
	if uid = os.Getuid(); uid == 0 {
		uid = 65534
		attributes = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
		if err := os.Chown(dir, uid, uid); err != nil {
			t.Skip("root may not act for others here:", err)
		}
	}
	return func(ctx context.Context, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Dir, cmd.SysProcAttr = dir, attributes
		cmd.Env = append(os.Environ(), actAsTentacle+"=1", "HOME="+dir, "TMPDIR="+dir)
		return cmd
	}, dir, uid
}

func TestATentacleNeedsNoPrivilege(t *testing.T) {
	run, dir, uid := unprivileged(t)
	a, first := tentacletest.NewCertificate(t, "operator")
	address := initialise(t, filepath.Join(t.TempDir(), "unused")).Address // a free port
	must := func(args ...string) []byte {
		t.Helper()
		cmd := run(t.Context(), args...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("tentacle %v: %v: %s", args, err, stderr.String())
		}
		return out
	}
	must("init", "--listen", address)
	must("trust", "add", string(first))
	e := halibut.Endpoint{Address: address, Thumbprint: thumbprintOf(t, must("show", "--json"))}
	log := filepath.Join(t.TempDir(), "log")
	p := launch(t, run(context.Background(), "run"), log, e)
	c := newCounting(dir)
	o := operator(t, e, a)
	startScript(t, o, "mine", "id -u; pwd; "+strings.ReplaceAll(c.body(), "exit 7", "exit 0"))
	eventually(t, "the script begins", func() bool { return exists(c.begun) })
	long := filepath.Join(dir, "long")
	startScript(t, o, "long", "touch '"+long+"'; sleep 300")
	eventually(t, "the other script begins", func() bool { return exists(long) }) // a supervisor being started holds the port
	p.kill()
	launch(t, run(context.Background(), "run"), log, e)
	o = operator(t, e, a)
	if err := os.WriteFile(c.goOn, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	code, out := finish(t, o, "mine")
	if lines := strings.Split(out, "\n"); code != 0 || len(lines) != 22 || lines[0] != strconv.Itoa(uid) || !strings.HasSuffix(lines[1], "/Work/mine") {
		t.Errorf("the script ended with %d and said %q", code, out)
	}
	if _, err := o.UploadFile(t.Context(), "Files/x", halibut.NewDataStreamBytes([]byte("content"))); err != nil {
		t.Error(err)
	}
	stream, err := o.DownloadFile(t.Context(), "Files/x")
	if err != nil {
		t.Fatal(err)
	}
	r, err := stream.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if content, err := io.ReadAll(r); err != nil || string(content) != "content" {
		t.Errorf("downloaded %q, %v", content, err)
	}
	if _, err := o.CancelScript(t.Context(), tentacle.CancelScriptCommandV2{Ticket: ticket("long")}); err != nil {
		t.Fatal(err)
	}
	if code, _ := finish(t, o, "long"); code != tentacle.ExitCanceled {
		t.Errorf("the cancelled script ended with %d", code)
	}
}

// systemctl calls the machine's own.
func systemctl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "systemctl", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("systemctl %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// TestAScriptOutlivesARestartOfTheService runs the unit of the packages, under another name, by the systemd of
// this machine.
func TestAScriptOutlivesARestartOfTheService(t *testing.T) {
	if _, err := os.Stat("/run/systemd/system"); err != nil || os.Getuid() != 0 {
		t.Skip("systemd does not run here, or not for this user")
	}
	dir := t.TempDir()
	program, home := filepath.Join(dir, "tentacle"), filepath.Join(dir, "home")
	gobuild(t, ".", program, "-s -w", ".")
	text, err := os.ReadFile("../hack/packages/tentacle.service")
	if err != nil {
		t.Fatal(err)
	}
	a, first := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, first)
	name := fmt.Sprintf("mantle-test-%d.service", os.Getpid())
	path := filepath.Join("/run/systemd/system", name)
	unit := strings.NewReplacer("/usr/bin/tentacle", program, "/var/lib/tentacle", home).Replace(string(text))
	if err := os.WriteFile(path, []byte(unit), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exec.Command("systemctl", "stop", name).Run()
		_ = command(context.Background(), "service", "stop", "--scripts", "--home", home).Run()
		_ = os.Remove(path)
		_ = exec.Command("systemctl", "daemon-reload").Run()
	})
	systemctl(t, "daemon-reload")
	systemctl(t, "start", name)
	pid := func() string { return systemctl(t, "show", "--property=MainPID", "--value", name) }
	listens(t, e)
	before := pid()
	c := newCounting(t.TempDir())
	startScript(t, operator(t, e, a), "restarted", c.body())
	eventually(t, "the script begins", func() bool { return exists(c.begun) })
	systemctl(t, "restart", name)
	listens(t, e)
	if pid() == before {
		t.Error("the daemon was not started again")
	}
	systemctl(t, "reload", name)
	c.check(t, operator(t, e, a), "restarted")
}

// listens waits for a daemon that somebody else starts.
func listens(t *testing.T, e halibut.Endpoint) {
	t.Helper()
	eventually(t, "the daemon listens", func() bool {
		c, err := net.DialTimeout("tcp", e.Address, time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}
