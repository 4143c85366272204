package main

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mantledeploy/mantle/agent/internal/cli"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

const nobody = 65534

// scriptsAsNobody lets the daemons of a test run scripts as nobody, and returns a home that nobody can reach.
func scriptsAsNobody(t *testing.T) (home string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("scripts run as another user only where the daemon may become one: run this test as root")
	}
	dir := openFolder(t)
	t.Setenv("TENTACLE_SCRIPT_USER", "nobody")
	t.Setenv(programVariable, copyOfProgram(t, dir))
	return filepath.Join(dir, "home")
}

// openFolder is a folder that all may enter.
func openFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func copyOfProgram(t *testing.T, dir string) string {
	t.Helper()
	data, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "tentacle")
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func ownerOf(t *testing.T, path string) uint32 {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Uid
}

// All that a Tentacle promises holds where scripts have a user of their own, too.
func TestConformanceWithScriptsOfAnotherUser(t *testing.T) {
	scriptsAsNobody(t)
	tentacletest.Run(t, func(t *testing.T) tentacletest.Subject {
		a, first := tentacletest.NewCertificate(t, "first operator")
		b, second := tentacletest.NewCertificate(t, "second operator")
		home := filepath.Join(openFolder(t), "home")
		return tentacletest.Subject{Endpoint: daemon(t, home, first, second), Operators: [2]tls.Certificate{a, b}, Home: home}
	})
}

func TestAScriptOfAnotherUserReachesItsOwnAndNothingOfTheDaemons(t *testing.T) {
	home := scriptsAsNobody(t)
	c, first := tentacletest.NewCertificate(t, "operator")
	e := daemon(t, home, first)
	o := operator(t, e, c)
	startScript(t, o, "ids", `id -un; id -Gn; pwd; echo "$HOME"; grep CapEff /proc/self/status; ls -A "$TentacleHome"
		for f in .tentacle .tentacle/key.pem .tentacle/tickets/ids/command; do cat "$TentacleHome/$f" 2>&1 >/dev/null | sed "s,.*: ,$f: ,"; done
		touch "$TentacleHome/x" 2>/dev/null || echo closed; mv "$TentacleHome/.tentacle" "$TentacleHome/Work/t" 2>/dev/null || echo stays
		touch "$TentacleHome/Applications/a" "$TentacleHome/Files/f" mine && echo usable; stat -c '%U %a' . Bootstrap.sh`)
	code, out := finish(t, o, "ids")
	want := []string{"nobody", "nogroup", filepath.Join(home, "Work", "ids"), "/nonexistent", "CapEff:\t0000000000000000",
		".tentacle", "Applications", "Files", "Tools", "Work",
		".tentacle: Permission denied", ".tentacle/key.pem: Permission denied", ".tentacle/tickets/ids/command: Permission denied",
		"closed", "stays", "usable", "nobody 700", "nobody 600"}
	if code != 0 || out != strings.Join(want, "\n") {
		t.Errorf("exit code %d:\n%s\nwant\n%s", code, out, strings.Join(want, "\n"))
	}
	if !strings.Contains(ask(t, home, "show"), "run as nobody, who cannot change policy and audit log") {
		t.Error(ask(t, home, "show"))
	}
	if _, err := o.UploadFile(t.Context(), "Applications/shop/secret.txt", halibut.NewDataStreamBytes([]byte("s"))); err != nil {
		t.Fatal(err)
	}
	if ownerOf(t, filepath.Join(home, "Applications", "shop", "secret.txt")) != nobody || ownerOf(t, filepath.Join(home, "Applications", "shop")) != nobody {
		t.Error("what is uploaded does not belong to those who use it")
	}
	if err := o.CompleteScript(t.Context(), tentacle.CompleteScriptCommandV2{Ticket: ticket("ids")}); err != nil || exists(filepath.Join(home, "Work", "ids")) {
		t.Errorf("the script's folder is still there: %v", err)
	}
}

// A script may put links to anything where the daemon works afterwards, or swap folders while it does.
func TestLinksOfScriptsLeadTheDaemonNowhere(t *testing.T) {
	home := scriptsAsNobody(t)
	outside := filepath.Join(filepath.Dir(home), "outside")
	victim := filepath.Join(outside, "victim")
	if err := errors.Join(os.Mkdir(outside, 0o755), os.WriteFile(victim, []byte("precious"), 0o600)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OUTSIDE", outside)
	c, first := tentacletest.NewCertificate(t, "operator")
	e := daemon(t, home, first)
	o := operator(t, e, c)
	startScript(t, o, "plant", `cd "$TentacleHome"
		ln -s "$OUTSIDE" Applications/out; ln -s ../.tentacle Applications/state; ln -s "$OUTSIDE/victim" Files/file; ln -s ../.tentacle/key.pem Files/key
		ln -s "$OUTSIDE" Work/next; ln -s "$OUTSIDE" Work/plant/inner; ln -s "$OUTSIDE/victim" Work/plant/f; ln -s "$TentacleHome/.tentacle" Work/plant/state
		ln -s "$OUTSIDE" Files/.mantle-upload-x`)
	if code, out := finish(t, o, "plant"); code != 0 {
		t.Fatal(out)
	}
	for _, path := range []string{"Applications/out/new", "Applications/state/new", "Files/file", "Files/key"} {
		if r, err := o.UploadFile(t.Context(), path, halibut.NewDataStreamBytes([]byte("evil"))); err == nil {
			t.Logf("%s was replaced in %s", path, r.FullPath) // a link is replaced, not followed
		}
	}
	for _, path := range []string{"Applications/out/victim", "Applications/state/key.pem"} {
		if s, err := o.DownloadFile(t.Context(), path); err == nil && s != nil {
			t.Errorf("%s was given away", path)
		}
	}
	startScript(t, o, "next", "ls -la; echo here > made") // its folder has a link in its place
	if code, out := finish(t, o, "next"); code != 0 {
		t.Error(out)
	}
	for _, id := range []string{"plant", "next"} {
		if err := o.CompleteScript(t.Context(), tentacle.CompleteScriptCommandV2{Ticket: ticket(id)}); err != nil {
			t.Error(err)
		}
	}
	names, err := os.ReadDir(outside)
	content, readErr := os.ReadFile(victim)
	if err != nil || readErr != nil || len(names) != 1 || string(content) != "precious" || ownerOf(t, victim) != 0 {
		t.Errorf("outside there are %v, and the file says %q (%v, %v)", names, content, err, readErr)
	}
	if names, err = os.ReadDir(filepath.Join(home, "Work")); err != nil || len(names) > 0 {
		t.Errorf("left in Work: %v, %v", names, err)
	}
	if ownerOf(t, filepath.Join(home, ".tentacle", "key.pem")) != 0 || exists(filepath.Join(home, ".tentacle", "new")) {
		t.Error("the daemon's own files were changed")
	}
}

func TestScriptsOfAnotherUserAreCancelledAndSurviveTheDaemon(t *testing.T) {
	home := scriptsAsNobody(t)
	c, first := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, first)
	p := start(t, home, e)
	o := operator(t, e, c)
	startScript(t, o, "stays", `trap '' TERM; echo $$ > "$TentacleHome/Files/pid"; while :; do sleep 0.1; done`)
	eventually(t, "the script begins", func() bool { return exists(filepath.Join(home, "Files", "pid")) })
	p.kill()
	start(t, home, e)
	o = operator(t, e, c)
	r, err := o.GetStatus(t.Context(), tentacle.ScriptStatusRequestV2{Ticket: ticket("stays")})
	if err != nil || r.State != tentacle.Running {
		t.Fatalf("after the daemon was killed: %+v, %v", r, err)
	}
	if _, err := o.CancelScript(t.Context(), tentacle.CancelScriptCommandV2{Ticket: ticket("stays")}); err != nil {
		t.Fatal(err)
	}
	if code, out := finish(t, o, "stays"); code != tentacle.ExitCanceled {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func TestAScriptUserThatCannotBeIsSaidAtTheStart(t *testing.T) {
	home := scriptsAsNobody(t)
	initialise(t, home)
	refusedAs := func(exit int, cmd *exec.Cmd, want ...string) {
		t.Helper()
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != exit {
			t.Errorf("exit code %d, want %d", code, exit)
		}
		for _, w := range want {
			if !strings.Contains(string(out), w) {
				t.Errorf("%q is not in %s", w, out)
			}
		}
	}
	refused := func(cmd *exec.Cmd, want ...string) {
		t.Helper()
		refusedAs(cli.ExitConfig, cmd, append(want, "key scriptUser")...)
	}
	run := func(user string) *exec.Cmd {
		return command(t.Context(), "run", "--home", home, "--listen", "127.0.0.1:0", "--script-user", user)
	}
	refused(run("no-such-user"), `"no-such-user"`, "no such account", "useradd")
	refused(run("0"), "write the account's name")
	foreign := filepath.Join(home, "Applications", "foreign")
	if err := errors.Join(os.WriteFile(foreign, nil, 0o600), os.Chown(filepath.Dir(foreign), 0, 0)); err != nil {
		t.Fatal(err)
	}
	refused(run("nobody"), "does not belong to nobody", "run 'tentacle init' as root")
	if output(t, "init", "--home", home, "--script-user", "nobody"); ownerOf(t, foreign) != nobody {
		t.Error("init does not hand over what was there")
	}
	if err := os.Chown(home, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	refusedAs(cli.ExitState, run("nobody"), "belongs to nobody", "chown root "+home)
}

// Without privilege a daemon can have scripts run as itself, and as nobody else.
func TestADaemonWithoutPrivilegeRefusesAnotherUserForScripts(t *testing.T) {
	home := scriptsAsNobody(t)
	asNobody := func(args ...string) *exec.Cmd {
		cmd := command(context.Background(), append(args, "--home", home)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		cmd.WaitDelay = 0
		return cmd
	}
	if err := errors.Join(os.Mkdir(home, 0o755), os.Chown(home, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	if out, err := asNobody("init").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := asNobody("run", "--listen", "127.0.0.1:0", "--script-user", "daemon").CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != cli.ExitConfig {
		t.Errorf("as another: %v", err)
	}
	for _, want := range []string{"CAP_SETUID", "AmbientCapabilities", "leave the setting empty"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in %s", want, out)
		}
	}
	if out, err := asNobody("show").CombinedOutput(); err != nil || !strings.Contains(string(out), "advisory. Scripts run as nobody, which is the daemon's own user") {
		t.Errorf("show: %v: %s", err, out)
	}
	cmd := asNobody("run", "--listen", "127.0.0.1:0")
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it runs as itself", func() bool { return exists(filepath.Join(home, ".tentacle", "spool")) })
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("as itself: %v: %s", err, log.String())
	}
}
