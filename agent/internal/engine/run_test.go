//go:build unix

package engine

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/api/step"
)

func TestAScriptGetsWhatItIsPromised(t *testing.T) {
	for shell, text := range map[step.Shell]string{
		step.Bash: `echo "$GREETING $MANTLE_TARGET $MANTLE_STEP $MANTLE_RELEASE $MANTLE_NAMESPACE $MANTLE_ENVIRONMENT $MANTLE_PROJECT $MANTLE_RUN"
[ -x "$MANTLE_ENGINE" ] && [ "$MANTLE_HOME" = "$TentacleHome" ] && [ -n "$MANTLE_TICKET" ] || exit 9
printf 'vars=%s\n' "$(cat "$MANTLE_VARIABLES")" >> "$MANTLE_OUTPUT"`,
		step.Python: `import os, sys
e = os.environ
print(e["GREETING"], *(e["MANTLE_" + k] for k in "TARGET STEP RELEASE NAMESPACE ENVIRONMENT PROJECT RUN".split()))
with open(e["MANTLE_OUTPUT"], "a") as f: f.write("vars=" + open(e["MANTLE_VARIABLES"]).read() + "\n")`,
		step.PowerShell: `"$env:GREETING $env:MANTLE_TARGET $env:MANTLE_STEP $env:MANTLE_RELEASE $env:MANTLE_NAMESPACE $env:MANTLE_ENVIRONMENT $env:MANTLE_PROJECT $env:MANTLE_RUN"
Add-Content $env:MANTLE_OUTPUT ("vars=" + (Get-Content $env:MANTLE_VARIABLES))`,
	} {
		t.Run(string(shell), func(t *testing.T) {
			if _, err := find(shell, "x"); err != nil {
				t.Skip(err)
			}
			m := newMachine(t)
			p := script(shell, text, step.EnvVar{Name: "GREETING", Value: step.Text("grüße")})
			p.Variables = map[string]step.Value{"db.host": step.Text("h"), "db.password": step.SecretRef(0)}
			p.Outputs = []string{"vars"}
			r := m.step(p, "hunter2").ok(t)
			if want := "grüße web-1 web/do 1.0.0 shop production shop run-1\n"; r.shown != want {
				t.Errorf("it printed %q, want %q", r.shown, want)
			}
			if diff := cmp.Diff(map[string]string{"vars": `{"db.host":"h"}`}, r.result.Outputs); diff != "" {
				t.Error(diff)
			}
			left, _ := filepath.Glob(filepath.Join(r.folder, "mantle-*"))
			if len(left) != 0 {
				t.Errorf("it left %v", left)
			}
		})
	}
}

func TestTheScriptsCodeIsTheSteps(t *testing.T) {
	m := newMachine(t)
	r := m.step(script(step.Bash, "echo to stdout; echo bad thing >&2; exit 37")).failed(t, 37, step.ReasonExitCode)
	if !strings.Contains(r.result.Tail, "bad thing") || r.stderr != "bad thing\n" {
		t.Errorf("tail %q, stderr %q", r.result.Tail, r.stderr)
	}
	m.step(script(step.Bash, "kill -9 $$")).failed(t, 137, step.ReasonExitCode)
	m.step(script(step.Python, "import sys; sys.exit(3)")).failed(t, 3, step.ReasonExitCode)
	r = m.step(script(step.Bash, "printf 'no line end'")).ok(t)
	if r.shown != "no line end\n" || !strings.HasPrefix(lastLine(r.stdout), "##mantle[result ") {
		t.Errorf("output %q", r.stdout)
	}
	if rows := m.rows(); rows[1]["phase"] != "Failed" || rows[7]["phase"] != "Succeeded" {
		t.Errorf("journal: %v", rows)
	}
}

// Editors on Windows begin a file with a mark, which Bash takes for a part of the first command.
func TestABashScriptWithAByteOrderMarkRunsAsWithout(t *testing.T) {
	m := newMachine(t)
	r := m.step(script(step.Bash, "\uFEFFset -e\r\necho first\nfalse\necho went on")).failed(t, 1, step.ReasonExitCode)
	if r.shown != "first\n" || r.stderr != "" {
		t.Errorf("output %q, %q", r.shown, r.stderr)
	}
}

// A Tentacle ends a line at a lone carriage return too, so the step's result must not hide behind one.
func TestAProgressBarHidesNeitherTheResultNorShowsASecret(t *testing.T) {
	m := newMachine(t)
	p := script(step.Bash, `printf 'with %s\r\n' "$TOKEN"; printf 'hidden %s\r50%%\r' "$TOKEN"`)
	p.Run.Env = []step.EnvVar{{Name: "TOKEN", Value: step.SecretRef(0)}}
	r := m.step(p, "correct\rhorse battery").ok(t)
	if strings.Contains(r.stdout, "battery") || strings.Contains(r.stdout, "correct") {
		t.Errorf("a secret is shown: %q", r.stdout)
	}
	lines := read(step.Nonce(filepath.Base(r.folder)), strings.ReplaceAll(strings.ReplaceAll(r.stdout, "\r\n", "\n"), "\r", "\n"), "")
	if !lines.hasResult || lines.result.ExitCode != 0 || lines.shown != "with ********\n50%\n" {
		t.Errorf("read as lines: result %v %+v, %q", lines.hasResult, lines.result, lines.shown)
	}
}

func lastLine(s string) string {
	s = strings.TrimSuffix(s, "\n")
	return s[strings.LastIndex(s, "\n")+1:]
}

func TestAMissingInterpreterSaysWhatToInstall(t *testing.T) {
	m := newMachine(t)
	bin := t.TempDir()
	m.env = []string{"PATH=" + bin}
	for _, shell := range []step.Shell{step.Python, step.PowerShell} {
		r := m.step(script(shell, "")).failed(t, step.ExitNotFound, step.ReasonInterpreterNotFound)
		if !strings.Contains(r.stderr, "install") || !strings.Contains(r.result.Tail, "install") {
			t.Errorf("%s: %q", shell, r.stderr)
		}
	}
}

func TestASecondStartDoesNothing(t *testing.T) {
	m := newMachine(t)
	r := m.step(script(step.Bash, "echo ran >> "+m.home+"/count")).ok(t)
	again := exec.Command("/bin/bash", filepath.Join(r.folder, "body.sh"))
	again.Dir = r.folder
	again.Env = append(os.Environ(), "MANTLE_ENGINE="+os.Args[0], "TentacleHome="+m.home)
	out, err := again.CombinedOutput()
	if err == nil || again.ProcessState.ExitCode() != step.ExitClaimed || !strings.Contains(string(out), "started before") {
		t.Errorf("%v: %s", err, out)
	}
	if data, _ := os.ReadFile(m.home + "/count"); string(data) != "ran\n" {
		t.Errorf("it ran %q", data)
	}
}

func TestSecretsAreNowhere(t *testing.T) {
	m := newMachine(t)
	const secret, key = "hunter2-Tr0ub4dor", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqh\n-----END PRIVATE KEY-----\n"
	p := script(step.Bash, `[ -e secrets.json ] && exit 8
for f in /proc/[0-9]*/cmdline; do l=$(tr '\0' ' ' 2>/dev/null < $f) || true; case "$l" in *"$P"*) exit 9;; esac; done
echo "pw=$P"; echo "pw=$P" >&2; printf '%s' "${P:0:5}"; sleep 0.05; printf '%s\n' "${P:5}"
echo "$K" | tail -n +2; echo "$A"
echo "o=<$P>" >> "$MANTLE_OUTPUT"; echo "$P=x" >> "$MANTLE_OUTPUT"; exit 4`,
		step.EnvVar{Name: "P", Value: step.SecretRef(0)}, step.EnvVar{Name: "K", Value: step.SecretRef(1)},
		step.EnvVar{Name: "A", Value: step.SecretRef(2)})
	p.Outputs = []string{"o"}
	p.Variables = map[string]step.Value{"pw": step.SecretRef(0)}
	r := m.step(p, secret, key, "ab").failed(t, 4, step.ReasonExitCode)
	if want := "\npw=********\n********\n********\n********\n\nab\n"; !strings.Contains(r.shown, want) {
		t.Errorf("shown %q", r.shown)
	}
	if _, given := r.result.Outputs["o"]; given {
		t.Errorf("outputs %q", r.result.Outputs)
	}
	if w := strings.Join(r.result.Warnings, "|"); !strings.Contains(w, "\"o\" has the value of a Secret in it") || !strings.Contains(w, "1 sensitive values") || !strings.Contains(w, "not declared") {
		t.Errorf("warnings %q", w)
	}
	said := r.stdout + r.stderr + r.result.Tail + fmt.Sprint(r.result)
	for _, value := range []string{secret, "hunter2", "MIIEvQIBADANBgkqh"} {
		if strings.Contains(said, value) {
			t.Errorf("%q is in what was said", value)
		}
		err := filepath.WalkDir(m.home, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			if bytes.Contains(data, []byte(value)) {
				t.Errorf("%q is in %s", value, path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(r.folder, step.SecretsFile)); !os.IsNotExist(err) {
		t.Error("the file of secrets is still there")
	}
}

func TestAStepWhoseTimeIsOverIsEndedWithAllItStarted(t *testing.T) {
	m := newMachine(t)
	p := script(step.Bash, `trap 'echo asked; exit 0' TERM; (trap '' TERM; while :; do sleep 0.1; done) & echo $! > `+m.home+`/child; wait`)
	p.TimeoutSeconds = 5
	r := m.step(p).failed(t, step.ExitTimedOut, step.ReasonTimedOut)
	if !strings.Contains(r.shown, "asked") || !strings.Contains(r.result.Tail, "time is over") {
		t.Errorf("shown %q, tail %q", r.shown, r.result.Tail)
	}
	eventually(t, "the child is gone", func() bool { return !alive(t, m.home+"/child") })
	if last := m.rows()[1]; last["phase"] != "Failed" || last["reason"] != "TimedOut" {
		t.Errorf("journal: %v", last)
	}
}

func alive(t *testing.T, file string) bool {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return syscall.Kill(pid, 0) == nil && !os.IsNotExist(err)
	}
	return !strings.Contains(string(status), ") Z ")
}

func TestACancelledStepEndsItsScript(t *testing.T) {
	m := newMachine(t)
	cmd, folder := m.command(script(step.Bash, `echo $$ > `+m.home+`/child; sleep 40`))
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the script runs", func() bool {
		data, _ := os.ReadFile(m.home + "/child")
		return len(data) > 1
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	r := read(step.Nonce(filepath.Base(folder)), out.String(), "")
	r.code = cmd.ProcessState.ExitCode()
	r.failed(t, step.ExitCancelled, step.ReasonCancelled)
	if alive(t, m.home+"/child") {
		t.Error("the script lives on")
	}
}

// Where no supervisor ends them, processes of a step that has timed out may go on: that is said.
func TestWhatGoesOnAfterATimeOutIsTold(t *testing.T) {
	m := newMachine(t)
	p := script(step.Bash, `setsid sleep 300 & echo $! > `+m.home+`/child; while :; do sleep 0.1; done`)
	p.TimeoutSeconds = 1
	r := m.step(p)
	r.failed(t, step.ExitTimedOut, step.ReasonTimedOut)
	if !alive(t, m.home+"/child") {
		t.Skip("the process ended with its step")
	}
	data, err := os.ReadFile(m.home + "/child")
	if err != nil {
		t.Fatal(err)
	}
	child := strings.TrimSpace(string(data))
	if pid, err := strconv.Atoi(child); err == nil {
		defer syscall.Kill(pid, syscall.SIGKILL) //nolint:errcheck // the end of the test
	}
	if want := "processes of the step go on, as they have left its process group: " + child; !slices.Contains(r.result.Warnings, want) {
		t.Errorf("warnings %q, want %q", r.result.Warnings, want)
	}
}

func TestWhatAScriptLeavesRunningLivesOn(t *testing.T) {
	m := newMachine(t)
	r := m.step(script(step.Bash, `(sleep 6; for i in 1 2 3; do echo late; done; echo wrote > `+m.home+`/late) & echo begun`)).ok(t)
	if r.shown != "begun\n" {
		t.Errorf("shown %q", r.shown)
	}
	if n, known := m.drains(); known && n != 1 {
		t.Errorf("%d processes hold the two pipes open", n)
	}
	eventually(t, "the process that was left printed and went on", func() bool {
		_, err := os.Stat(m.home + "/late")
		return err == nil
	})
}

func TestOutputsAreBounded(t *testing.T) {
	m := newMachine(t)
	p := script(step.Python, `import os
with open(os.environ["MANTLE_OUTPUT"], "w") as f:
    f.write("long=" + "x" * 40000 + "\n\r\nkept=a=b\r\nkept2=" + "y" * 1000 + "\n")
    for i in range(50000): f.write("o%d=zzzzzzzz\n" % i)`)
	p.Outputs = []string{"long", "kept", "kept2"}
	r := m.step(p).ok(t)
	if diff := cmp.Diff(map[string]string{"kept": "a=b", "kept2": strings.Repeat("y", 1000)}, r.result.Outputs); diff != "" {
		t.Error(diff)
	}
	if !r.result.OutputsCut || len(r.result.Warnings) != step.MaxWarnings {
		t.Errorf("cut %v, %d warnings", r.result.OutputsCut, len(r.result.Warnings))
	}
}

func TestAPlanThatIsNotOneIsRefused(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "plan.json"), []byte(`{"version":7}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "secrets.json"), []byte(`hunter2`), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func() string {
		cmd := exec.Command(os.Args[0], "step", "--plan", filepath.Join(folder, "plan.json"))
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != step.ExitPlanRefused || strings.Contains(string(out), "hunter2") {
			t.Errorf("code %d: %s", cmd.ProcessState.ExitCode(), out)
		}
		return string(out)
	}
	start()
	if _, err := os.Stat(filepath.Join(folder, "secrets.json")); !os.IsNotExist(err) {
		t.Error("secrets that cannot be read were left lying")
	}
	if err := os.Remove(filepath.Join(folder, claimFile)); err != nil {
		t.Fatal(err)
	}
	if out := start(); !strings.Contains(out, "version 7") {
		t.Error(out)
	}
}
