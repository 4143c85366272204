//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// ruled is a daemon with a policy, and an operator that it trusts.
type ruled struct {
	*tentacle.Client
	t    *testing.T
	home string
	p    *running
	n    int
}

func newRuled(t *testing.T) *ruled {
	t.Helper()
	home := filepath.Join(t.TempDir(), "home")
	a, first := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, first)
	return &ruled{Client: operator(t, e, a), t: t, home: home, p: start(t, home, e)}
}

// rules puts a policy for all operators in force.
func (r *ruled) rules(rules string) { r.policy("operators: {\"*\": {" + rules + "}}\n") }

func (r *ruled) policy(content string) {
	r.t.Helper()
	path := filepath.Join(r.home, ".tentacle", "policy.yaml")
	if err := errors.Join(os.WriteFile(path+".new", []byte(content), 0o600), os.Rename(path+".new", path)); err != nil {
		r.t.Fatal(err)
	}
}

func runStep(shell step.Shell, script string, change ...func(*step.Run)) step.Plan {
	p := step.Plan{Kind: step.KindRun, Namespace: "shop", Environment: "production", Project: "shop", Release: "1.0.0", RunName: "run-1",
		RunUID: "u1", Step: "do", Target: "web-1", TimeoutSeconds: 60, Run: &step.Run{Shell: shell, Script: script}}
	for _, f := range change {
		f(p.Run)
	}
	return p
}

// raw is a script that waits for no step.
func raw(body string) tentacle.StartScriptCommandV2 {
	mutex := "other"
	return tentacle.StartScriptCommandV2{ScriptBody: body, TaskID: "ServerTasks-1", IsolationMutexName: &mutex}
}

// alone makes steps wait for a script.
func alone(c tentacle.StartScriptCommandV2) tentacle.StartScriptCommandV2 {
	c.Isolation, c.IsolationMutexName = tentacle.FullIsolation, nil
	return c
}

func (r *ruled) step(p step.Plan) tentacle.StartScriptCommandV2 {
	r.t.Helper()
	r.n++
	p.Ticket = step.Ticket("u1", p.Step, "web-1", r.n)
	c, err := step.Command(p, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// ends runs a script to its end and gives the exit code, its output, and what came on stderr.
func (r *ruled) ends(c tentacle.StartScriptCommandV2) (code int32, out, bad string) {
	r.t.Helper()
	r.n++
	if c.ScriptTicket.TaskID == "" {
		c.ScriptTicket = ticket(fmt.Sprintf("raw-%d", r.n))
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), 60*time.Second)
	defer cancel()
	got, err := r.StartScript(ctx, c)
	for err == nil {
		for _, entry := range got.Logs {
			if entry.Source == tentacle.StdErr {
				bad += entry.Text + "\n"
			} else {
				out += entry.Text + "\n"
			}
		}
		if got.State == tentacle.Complete {
			return got.ExitCode, out, bad
		}
		got, err = r.WaitForStatus(ctx, tentacle.WaitForStatusCommandV1{Ticket: c.ScriptTicket, LastLogSequence: got.NextLogSequence, MaxWait: halibut.TimeSpan(10 * time.Second)})
	}
	r.t.Fatal(err)
	return 0, "", ""
}

// refused expects that a script ends as refused by a rule, with one line that names it, and leaves nothing.
func (r *ruled) refused(c tentacle.StartScriptCommandV2, rule string) {
	r.t.Helper()
	code, out, bad := r.ends(c)
	told, _, ok := tentacle.ParseRefusedByPolicy(bad)
	if code != tentacle.ExitRefused || !ok || told != rule || strings.Count(bad, "\n") != 1 || out != "" {
		r.t.Errorf("exit code %d, rule %q, wanted %q:\n%s%s", code, told, rule, out, bad)
	}
}

func (r *ruled) runs(c tentacle.StartScriptCommandV2, says string) {
	r.t.Helper()
	if code, out, bad := r.ends(c); code != 0 || !strings.Contains(out, says) {
		r.t.Errorf("exit code %d:\n%s%s", code, out, bad)
	}
}

func TestWhatThePolicyForbidsIsRefusedOnTheMachineByItsName(t *testing.T) {
	r := newRuled(t)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	hello := func(change ...func(*step.Run)) tentacle.StartScriptCommandV2 {
		return r.step(runStep(step.Bash, "echo hello", change...))
	}
	in := func(dir string) func(*step.Run) { return func(run *step.Run) { run.WorkingDir = dir } }
	r.runs(raw("echo raw"), "raw")
	r.runs(hello(), "hello")

	r.rules("requireEngine: true, interpreters: [Python, PowerShell]")
	r.refused(hello(), "interpreters")
	r.refused(r.step(step.Plan{Kind: step.KindHealth, Step: "health", Health: &step.Health{Bash: "true"}}), "interpreters")
	r.runs(r.step(step.Plan{Kind: step.KindInventory, Step: "inventory"}), "")

	r.rules("requireEngine: true, users: [nobody-else]")
	r.refused(hello(), "users")
	r.rules("requireEngine: true, users: [" + me.Username + "]")
	r.runs(hello(), "hello")
	r.refused(hello(func(run *step.Run) { run.User = "another" }), "users")

	r.rules("requireEngine: true, folders: [" + r.home + "]")
	r.refused(hello(in("/etc")), "folders")
	r.runs(hello(), "hello")

	r.rules("requireEngine: true")
	r.refused(raw("echo raw"), "requireEngine")
	r.runs(hello(), "hello")

	hour := func(from time.Duration) string {
		now := time.Now().UTC()
		return "hours: {timeZone: UTC, allow: [daily " + now.Add(from).Format("15:04") + "-" + now.Add(from+2*time.Hour).Format("15:04") + "]}"
	}
	r.rules(hour(3 * time.Hour))
	r.refused(hello(), "hours")
	r.refused(raw("echo raw"), "hours")
	r.rules(hour(-time.Hour))
	r.runs(hello(), "hello")

	log := ask(t, r.home, "audit")
	for _, rule := range []string{"interpreters", "users", "folders", "requireEngine", "hours"} {
		if !strings.Contains(log, rule) {
			t.Errorf("the audit log does not name rule %s:\n%s", rule, log)
		}
	}
	r.rules("maxScript: 1")
	r.refused(raw("echo raw"), "policy")
	if shown := ask(t, r.home, "show"); !strings.Contains(shown, "maxScript: is no known key") {
		t.Errorf("show says %s", shown)
	}
	if err := os.Remove(filepath.Join(r.home, ".tentacle", "policy.yaml")); err != nil {
		t.Fatal(err)
	}
	r.runs(raw("echo raw"), "raw")
}

func TestNoMoreScriptsRunAtOnceThanThePolicyLets(t *testing.T) {
	r := newRuled(t)
	r.rules("maxScripts: 1")
	hold := r.step(runStep(step.Bash, `while ! [ -e "$MANTLE_HOME/go" ]; do sleep 0.05; done`))
	if _, err := r.StartScript(t.Context(), hold); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first one runs", func() bool {
		got, err := r.GetStatus(t.Context(), tentacle.ScriptStatusRequestV2{Ticket: hold.ScriptTicket})
		return err == nil && got.State == tentacle.Running
	})
	r.refused(raw("echo second"), "maxScripts")
	r.runs(r.step(step.Plan{Kind: step.KindHealth, Step: "health", Health: &step.Health{Bash: "echo healthy"}}), "healthy")
	if err := os.WriteFile(filepath.Join(r.home, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := finish(t, r.Client, hold.ScriptTicket.TaskID); code != 0 {
		t.Errorf("the first one: exit code %d: %s", code, out)
	}
	r.runs(raw("echo third"), "third")
}

func TestAScriptThatWaitsIsJudgedAgainWhenItsTurnComes(t *testing.T) {
	r := newRuled(t)
	r.rules("")
	first := alone(raw(`while ! [ -e "$TentacleHome/go" ]; do sleep 0.05; done`))
	first.ScriptTicket = ticket("first")
	second := r.step(runStep(step.Bash, "echo second"))
	for _, c := range []tentacle.StartScriptCommandV2{first, second} {
		if got, err := r.StartScript(t.Context(), c); err != nil || got.State == tentacle.Complete {
			t.Fatal(got, err)
		}
	}
	r.rules("requireEngine: true, interpreters: [Python]")
	if err := os.WriteFile(filepath.Join(r.home, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.refusedLater(second.ScriptTicket, "interpreters")
}

// refusedLater expects that a script which waited ends as refused.
func (r *ruled) refusedLater(id tentacle.ScriptTicket, rule string) {
	r.t.Helper()
	var got tentacle.ScriptStatusResponseV2
	eventually(r.t, "it ends", func() bool {
		var err error
		got, err = r.GetStatus(r.t.Context(), tentacle.ScriptStatusRequestV2{Ticket: id})
		return err == nil && got.State == tentacle.Complete
	})
	last := got.Logs[len(got.Logs)-1]
	if told, _, _ := tentacle.ParseRefusedByPolicy(last.Text); got.ExitCode != tentacle.ExitRefused || told != rule || last.Source != tentacle.StdErr {
		r.t.Errorf("exit code %d, %+v", got.ExitCode, last)
	}
}

func TestOutputIsKeptAsThePolicySays(t *testing.T) {
	r := newRuled(t)
	r.rules("maxOutput: 1MiB")
	_, out, _ := r.ends(r.step(runStep(step.Bash, `for i in $(seq 1 60000); do echo "line $i of many that are written"; done`)))
	if len(out) > 1<<20 || len(out) < 100_000 || !strings.Contains(out, "line 1 of") || !strings.Contains(out, "line 60000 of") {
		t.Errorf("%d bytes are kept: %.100s", len(out), out)
	}
}

func TestWithRequireEngineOnlyPackagesAreTransferred(t *testing.T) {
	r := newRuled(t)
	r.rules("requireEngine: true")
	content := halibut.NewDataStreamBytes([]byte("x"))
	good := step.ContentPath(strings.Repeat("0", 64), step.FormatTar)
	if _, err := r.UploadFile(t.Context(), good, content); err != nil {
		t.Errorf("a package: %v", err)
	}
	if got, err := r.DownloadFile(t.Context(), good); err != nil || got == nil {
		t.Errorf("a package: %v, %v", got, err)
	}
	for _, path := range []string{"Files/mantle/engine", "Applications/x", "Files/mantle/" + strings.Repeat("0", 64) + "/../../engine", filepath.Join(r.home, good)} {
		_, err := r.UploadFile(t.Context(), path, content)
		server, ok := errors.AsType[*halibut.ServerError](err)
		if !ok || server.Retryable() || !strings.Contains(server.Message, "rule requireEngine") {
			t.Errorf("upload of %s: %v", path, err)
		}
		if _, err := r.DownloadFile(t.Context(), path); err == nil {
			t.Errorf("download of %s is allowed", path)
		}
	}
}

func TestAStepRunsWithoutAShellAndLeavesNothingToSwap(t *testing.T) {
	r := newRuled(t)
	// The parent of the script is the supervisor: neither a shell nor an engine is in between.
	tree := r.step(runStep(step.Bash, `tr '\0' ' ' </proc/$PPID/cmdline; echo; env | grep -cE "MANTLE_(SEAL|CALLER)"; echo "$PWD"`))
	code, out, bad := r.ends(tree)
	lines := strings.Split(out, "\n")
	if code != 0 || len(lines) < 3 || !strings.Contains(lines[0], " supervise ") || lines[1] != "0" {
		t.Errorf("exit code %d:\n%s%s", code, out, bad)
	}

	// A script looks for what a step is carried out from that waits for it.
	victim := r.step(runStep(step.Bash, "echo what was allowed"))
	thief := raw(fmt.Sprintf(`while ! [ -e "$TentacleHome/.tentacle/tickets/%s/command" ]; do sleep 0.05; done
ls "$TentacleHome/Work"; grep -rl 'what was allowe[d]' "$TentacleHome/Work" "$TentacleHome/Files" "$TentacleHome/Applications" /proc/[0-9]*/cmdline 2>/dev/null`, strings.ToLower(victim.ScriptTicket.TaskID)))
	thief = alone(thief)
	thief.ScriptTicket = ticket("thief")
	for _, c := range []tentacle.StartScriptCommandV2{thief, victim} {
		if got, err := r.StartScript(t.Context(), c); err != nil || got.State == tentacle.Complete {
			t.Fatal(got, err)
		}
	}
	if _, out := finish(t, r.Client, "thief"); strings.Contains(out, "/") || strings.Contains(out, strings.ToLower(victim.ScriptTicket.TaskID)) {
		t.Errorf("it found %s", out)
	}
	if code, out := finish(t, r.Client, victim.ScriptTicket.TaskID); code != 0 || !strings.Contains(out, "what was allowed") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func TestOperatorsAreToldHowBindingThePolicyIs(t *testing.T) {
	r := newRuled(t)
	told := func() tentacle.Policy {
		t.Helper()
		got, err := r.GetCapabilities(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return tentacle.ParseFacts(got).Policy
	}
	if got := told(); got != tentacle.PolicyNone {
		t.Errorf("without a file: %s", got)
	}
	r.rules("maxScripts: 1")
	if got := told(); got != tentacle.PolicyAdvisory {
		t.Errorf("with a file, and scripts of the daemon's user: %s", got)
	}
	eventually(t, "the log tells of it", func() bool { return strings.Contains(r.p.logged(), "the policy is in force") })
}
