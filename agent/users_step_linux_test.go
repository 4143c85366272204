package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

func runPlan(name, text string) step.Plan {
	return step.Plan{Ticket: "m" + name, Kind: step.KindRun, Namespace: "shop", Environment: "production", Project: "shop", Release: "1.0.0",
		RunName: "run-1", RunUID: "u1", Step: name, Target: "web-1", TimeoutSeconds: 120,
		Run: &step.Run{Shell: step.Bash, Script: text}}
}

// carryOut sends a plan as an operator does, and returns what came of it.
func carryOut(t *testing.T, o *tentacle.Client, p step.Plan, secrets ...string) (step.Result, string) {
	t.Helper()
	cmd, err := step.Command(p, secrets)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.StartScript(t.Context(), cmd); err != nil {
		t.Fatal(err)
	}
	_, out := finish(t, o, p.Ticket)
	scanner := step.NewScanner(step.Nonce(p.Ticket))
	var shown []string
	for _, line := range strings.Split(out, "\n") {
		if _, show := scanner.Line(tentacle.StdOut, line); show {
			shown = append(shown, line)
		}
	}
	r, ok := scanner.Result()
	if !ok {
		t.Fatalf("%s has no result: %s", p.Ticket, out)
	}
	return r, strings.Join(shown, "\n")
}

// deployPlan uploads a package of one script and returns the plan that deploys it.
func deployPlan(t *testing.T, o *tentacle.Client) step.Plan {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	body := "#!/bin/bash\necho deployed\n"
	err := w.WriteHeader(&tar.Header{Name: "run.sh", Mode: 0o755, Size: int64(len(body)), Typeflag: tar.TypeReg})
	if err == nil {
		_, err = w.Write([]byte(body))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b.Bytes())
	digest := hex.EncodeToString(sum[:])
	p := runPlan("install", "")
	p.Kind, p.Run = step.KindDeploy, nil
	p.Deploy = &step.Deploy{Package: "web", Version: "1.0.0", Content: step.Content{SHA256: digest, Format: step.FormatTar,
		Path: step.ContentPath(digest, step.FormatTar), Size: int64(b.Len())}}
	if _, err := o.UploadFile(t.Context(), p.Deploy.Content.Path, halibut.NewDataStreamBytes(b.Bytes())); err != nil {
		t.Fatal(err)
	}
	return p
}

// deployAndRun is a small process: a package is deployed, one step runs in its folder as the user of scripts, one as a user
// of its own.
func deployAndRun(t *testing.T, home string, o *tentacle.Client) {
	t.Helper()
	r, _ := carryOut(t, o, deployPlan(t, o))
	dir := r.Outputs[step.OutputPackageDirectory]
	if r.Reason != "" || ownerOf(t, filepath.Join(dir, "run.sh")) != nobody {
		t.Fatalf("the package: %+v", r)
	}
	p := runPlan("smoke", "./run.sh; id -un")
	p.Run.WorkingDir = dir
	if r, shown := carryOut(t, o, p); r.Reason != "" || shown != "deployed\nnobody" {
		t.Errorf("in the package's folder: %+v\n%s", r, shown)
	}
	p = runPlan("escape", "id")
	p.Run.User = "root"
	cmd, err := step.Command(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, err := o.StartScript(t.Context(), cmd); err != nil || status.ExitCode != tentacle.ExitRefused {
		t.Errorf("a step names root, which no policy lists: %+v, %v", status, err)
	}
	policy := filepath.Join(home, ".tentacle", "policy.yaml")
	if err := os.WriteFile(policy, []byte("operators:\n  \"*\": {requireEngine: true, users: [nobody, games, root]}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Remove(policy) }()
	p = runPlan("migrate", `id -un; id -G; pwd; echo "$PASSWORD $TentacleHome"; grep CapEff /proc/self/status; ls "$TentacleHome/.tentacle" 2>&1
		cat "$TentacleHome"/Work/*/plan.json 2>/dev/null; echo "who=$(id -un)" >> "$MANTLE_OUTPUT"`)
	p.Run.User, p.Run.WorkingDir, p.Outputs = "games", "/", []string{"who"}
	p.Run.Env = []step.EnvVar{{Name: "PASSWORD", Value: step.SecretRef(0)}}
	r, shown := carryOut(t, o, p, "hunter2")
	want := "games\n60\n/\n******** " + home + "\nCapEff:\t0000000000000000\nls: cannot open directory '" + home + "/.tentacle': Permission denied"
	if r.Reason != "" || shown != want || r.Outputs["who"] != "games" {
		t.Errorf("as a user of its own: %+v\n%s\nwant\n%s", r, shown, want)
	}
	p = runPlan("root", "id -un")
	p.Run.User = "root"
	if r, shown := carryOut(t, o, p); r.Reason != step.ReasonUserRefused || !strings.Contains(r.Tail, "nobody ALL=(root) NOPASSWD: ") || shown != "" {
		t.Errorf("as root: %+v\n%s", r, shown)
	}
	p = runPlan("endless", `trap '' TERM; echo $$ > "$MARK.new"; mv "$MARK.new" "$MARK"; while :; do sleep 0.1; done`)
	p.Run.User = "games"
	mark := filepath.Join(os.TempDir(), "mark-"+rand.Text())
	p.Run.Env = []step.EnvVar{{Name: "MARK", Value: step.Text(mark)}}
	t.Cleanup(func() { _ = os.Remove(mark) })
	if cmd, err = step.Command(p, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := o.StartScript(t.Context(), cmd); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the endless script begins", func() bool { return exists(mark) })
	if _, err := o.CancelScript(t.Context(), tentacle.CancelScriptCommandV2{Ticket: ticket(p.Ticket)}); err != nil {
		t.Fatal(err)
	}
	if code, out := finish(t, o, p.Ticket); code != tentacle.ExitCanceled {
		t.Errorf("the endless script ended with %d: %s", code, out)
	}
	pid, err := os.ReadFile(mark)
	if err != nil || exists("/proc/"+strings.TrimSpace(string(pid))) {
		t.Errorf("process %s lives on (%v)", pid, err)
	}
}

func TestADeploymentWithScriptsOfOtherUsers(t *testing.T) {
	home := scriptsAsNobody(t)
	c, first := tentacletest.NewCertificate(t, "operator")
	e := daemon(t, home, first)
	deployAndRun(t, home, operator(t, e, c))
}

// A daemon that is not root, but has three capabilities, does all of the same.
func TestADeploymentByADaemonWithThreeCapabilities(t *testing.T) {
	home := scriptsAsNobody(t)
	c, first := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, first)
	output(t, "init", "--home", home, "--script-user", "nobody")
	out, err := exec.CommandContext(t.Context(), "chown", "-R", "daemon:daemon", filepath.Join(home, ".tentacle")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const caps = "-all,+setuid,+setgid,+kill"
	run := command(context.Background(), "run", "--home", home)
	run.Args = append([]string{"setpriv", "--reuid=daemon", "--regid=daemon", "--clear-groups", "--bounding-set=" + caps,
		"--inh-caps=" + caps, "--ambient-caps=" + caps, run.Path}, run.Args[1:]...)
	if run.Path, err = exec.LookPath("setpriv"); err != nil {
		t.Skip("there is no setpriv to start the daemon with")
	}
	launch(t, run, home+".log", e)
	if !strings.Contains(ask(t, home, "show"), "run as nobody, who cannot change policy and audit log") {
		t.Error(ask(t, home, "show"))
	}
	o := operator(t, e, c)
	deployAndRun(t, home, o)
	startScript(t, o, "closed", `mkdir -p cache/mod; touch cache/mod/x; chmod -R a-w cache; umask 077; mkdir private; touch private/x; id -u`)
	if code, out := finish(t, o, "closed"); code != 0 || out != "65534" {
		t.Errorf("exit code %d: %s", code, out)
	}
	if err := o.CompleteScript(t.Context(), tentacle.CompleteScriptCommandV2{Ticket: ticket("closed")}); err != nil {
		t.Error(err)
	}
	if exists(filepath.Join(home, "Work", "closed")) {
		t.Error("the script's folder was left")
	}
}
