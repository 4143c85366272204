//go:build unix

package scripts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// bashStep is the start of a step with a Bash script. Its secrets are in the variable PW, one after the other.
func bashStep(t testing.TB, id, body string, secrets ...string) tentacle.StartScriptCommandV2 {
	t.Helper()
	run := &step.Run{Shell: step.Bash, Script: body}
	if len(secrets) > 0 {
		run.Env = []step.EnvVar{{Name: "PW", Value: step.SecretRef(0)}}
	}
	c, err := step.Command(step.Plan{Ticket: id, Kind: step.KindRun, Namespace: "n", Environment: "e", Project: "p", RunUID: "u", Step: "s", Run: run}, secrets)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// stepRig is a rig whose steps are carried out.
func stepRig(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	return newRig(t, append([]func(*Config){func(c *Config) {
		c.Engine = []string{os.Args[0], "step"}
		c.Env = []string{step.EnvTentacleHome + "=" + c.Home}
	}}, change...)...)
}

// told is a status without what is meant for the operator.
func told(got tentacle.ScriptStatusResponseV2) tentacle.ScriptStatusResponseV2 {
	got.Logs = slices.DeleteFunc(slices.Clone(got.Logs), func(l tentacle.ProcessOutput) bool { return strings.HasPrefix(l.Text, "##mantle[") })
	return got
}

// reported is the result that a step's last line tells.
func reported(t testing.TB, id string, got tentacle.ScriptStatusResponseV2) step.Result {
	t.Helper()
	scanner := step.NewScanner(step.Nonce(id))
	for _, l := range got.Logs {
		scanner.Line(l.Source, l.Text)
	}
	result, ok := scanner.Result()
	if !ok {
		t.Errorf("%s tells no result: %s", id, lines(got.Logs))
	}
	return result
}

func TestACancelIsOneTERMToEachProcessOfAStep(t *testing.T) {
	r := stepRig(t, func(c *Config) { c.Grace = 20 * time.Second })
	r.start(bashStep(t, "a", `trap 'echo asked; asked=$((asked+1))' TERM
(trap 'echo "child asked"; sleep 0.5; exit' TERM; while :; do sleep 0.05; done) &
`+r.pidFile("$!", "child")+`while [ "$asked" = "" ]; do sleep 0.05; done 2>/dev/null
for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; done 2>/dev/null; echo "asked $asked time"`))
	r.pid("child")
	r.cancelScript("a")
	got := r.await("a", 0)
	out, _ := text(told(got).Logs)
	slices.Sort(out)
	if want := []string{"asked", "asked 1 time", "child asked"}; got.ExitCode != tentacle.ExitCanceled || !slices.Equal(out, want) {
		t.Errorf("exit code %d, output %q, want %q", got.ExitCode, out, want)
	}
	if result := reported(t, "a", got); result.Reason != step.ReasonCancelled {
		t.Errorf("it tells %+v", result)
	}
}

func TestAStepWhoseTimeIsOverEndsWithAllItStarted(t *testing.T) {
	r := stepRig(t, func(c *Config) { c.Grace = 300 * time.Millisecond })
	cmd := bashStep(t, "a", "trap '' TERM\nsetsid sleep 300 &\n"+r.pidFile("$!", "child")+"while :; do sleep 0.1; done")
	var plan map[string]any
	if err := json.Unmarshal(planOf(t, cmd), &plan); err != nil {
		t.Fatal(err)
	}
	plan["timeoutSeconds"] = 1
	data, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Files[0].Contents = halibut.NewDataStreamBytes(data)
	r.start(cmd)
	child := r.pid("child")
	got := r.await("a", 0)
	if result := reported(t, "a", got); got.ExitCode != step.ExitTimedOut || result.Reason != step.ReasonTimedOut {
		t.Errorf("exit code %d, result %+v", got.ExitCode, result)
	}
	if alive(child) {
		t.Error("what it started lives on")
	}
}

// Whichever process of a step is killed, when the ticket is over nothing of its script goes on, so that the next one
// runs alone.
func TestNoProcessOfAStepThatIsKilledLeavesTheScriptRunning(t *testing.T) {
	for name, test := range map[string]struct {
		victim string
		code   int32
	}{
		"the supervisor":  {"supervisor", tentacle.ExitLost},
		"the interpreter": {"self", 137},
	} {
		t.Run(name, func(t *testing.T) {
			r := stepRig(t)
			r.start(bashStep(t, "a", r.pidFile("$PPID", "supervisor")+r.pidFile("$$", "self")+"bash -c '"+r.pidFile("$$", "child")+"while :; do sleep 0.05; done'; echo on"))
			victim, self, child := r.pid(test.victim), r.pid("self"), r.pid("child")
			if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if got := r.await("a", 0); got.ExitCode != test.code {
				t.Errorf("exit code %d: %s", got.ExitCode, lines(got.Logs))
			}
			if alive(self) || alive(child) {
				t.Error("the ticket is over, and its script goes on")
			}
		})
	}
}

func TestWhatAStepLeavesRunningLivesOn(t *testing.T) {
	r := stepRig(t)
	begun := time.Now()
	got := r.run(bashStep(t, "a", "sleep 300 & "+r.pidFile("$!", "child")+"echo done"))
	child := r.pid("child")
	defer func() { _ = syscall.Kill(child, syscall.SIGKILL) }()
	r.want(told(got), 0, "done\n")
	if !alive(child) || time.Since(begun) > 20*time.Second {
		t.Errorf("alive: %v, after %s", alive(child), time.Since(begun))
	}
	r.completeScript("a")
	if !alive(child) {
		t.Error("it was ended with its ticket")
	}
}

// The predecessor of this version left plan and secrets in the script's folder, and told the engine a seal. Tickets that
// wait when a daemon is upgraded are of that shape.
func TestAStepThatAnEarlierVersionLeftWaitingIsCarriedOut(t *testing.T) {
	for name, test := range map[string]struct {
		change func(string) string
		code   int32
		output string
	}{
		"as it was":              {func(s string) string { return s }, 0, "harmless ********\n"},
		"changed by another one": {func(s string) string { return strings.Replace(s, "harmless", "changed!", 1) }, tentacle.ExitLaunchFailed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := stepRig(t)
			cmd := bashStep(t, "a", `echo "harmless $PW"`, "hunter2")
			plan := planOf(t, cmd)
			secrets, err := readStream(cmd.Files[1].Contents)
			if err != nil {
				t.Fatal(err)
			}
			one, two := sha256.Sum256(plan), sha256.Sum256(secrets)
			seal := sha256.Sum256(slices.Concat(one[:], two[:]))
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			dir, work := r.inHome(".tentacle", "tickets", "a"), r.inHome("Work", "a")
			for _, folder := range []string{dir, work} {
				if err := os.Mkdir(folder, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			r.put(filepath.Join(work, "plan.json"), test.change(string(plan)))
			r.put(filepath.Join(work, "secrets.json"), string(secrets))
			r.put(filepath.Join(work, "Bootstrap.sh"), step.CommandBash)
			r.put(filepath.Join(dir, process.ClaimFile), "")
			r.put(filepath.Join(dir, process.CommandFile), fmt.Sprintf(`{"version":1,"ticket":"a","operator":%q,"arrived":"2026-01-01T00:00:00Z","mutex":"RunningScript","exclusive":true,
				"process":{"path":%q,"args":["step","--plan","plan.json"],"dir":%q,"env":["MANTLE_SEAL=%s"],"stepUser":"nobody","grace":2000000000,"abandon":20000000000,"drain":10000000000,"output":{}},
				"call":{"kind":"run","interpreter":"Bash"}}`, operator, os.Args[0], work, hex.EncodeToString(seal[:])))
			r.open()
			got := r.await("a", 0)
			out, bad := text(told(got).Logs)
			if got.ExitCode != test.code || strings.Join(append(out, ""), "\n") != test.output {
				t.Errorf("exit code %d, output %q, %q", got.ExitCode, out, bad)
			}
			if exists(filepath.Join(work, "secrets.json")) {
				t.Error("its secrets stay")
			}
		})
	}
}

// stepDaemonMain is a daemon that has one step carried out, named on its input, and says when the start is answered,
// when the step has ended, and when it is completed.
func stepDaemonMain(home string) int {
	c := testConfig(home)
	c.Engine, c.Env = []string{os.Args[0], "step"}, []string{step.EnvTentacleHome + "=" + home}
	c.Gather = time.Hour // until it is closed
	log, err := audit.Open(filepath.Join(home, "audit"), slog.New(slog.DiscardHandler))
	if err != nil {
		return 1
	}
	c.Audit = func(_ context.Context, e audit.Entry) error {
		if e.What == audit.Start {
			return log.Append(e)
		}
		log.Note(e)
		return nil
	}
	s, err := Open(c)
	if err != nil {
		return 1
	}
	say := func(text string) { _, _ = os.Stdout.WriteString(text + "\n") }
	say("ready")
	var id string
	if _, err := fmt.Scanln(&id); err != nil {
		return 1
	}
	r := &rig{Store: s, t: &testing.T{}, cfg: c}
	r.start(bashStep(r.t, id, "true"))
	say("answered")
	got := r.await(id, 0)
	say(fmt.Sprintf("ended %d", got.ExitCode))
	if s.CompleteScript(context.Background(), operator, tentacle.CompleteScriptCommandV2{Ticket: tentacle.ScriptTicket{TaskID: id}}) != nil {
		return 1
	}
	say("completed")
	if s.Close() != nil || log.Close() != nil {
		return 1
	}
	return 0
}

// A step that is recorded with its turn is claimed without a sync. After a power cut nobody knows whether it was claimed, so
// it is not begun; in the same run of the machine it is known.
func TestAStepWithItsTurnIsLostByAPowerCutAndNotByTheDaemonsEnd(t *testing.T) {
	for name, test := range map[string]struct {
		boot string
		code int32
		want string
	}{
		"the daemon ended": {process.Boot(), 0, "ran\n"},
		"a power cut":      {"another boot", tentacle.ExitLost, "! Lost: the machine was started anew (reboot) when the script's turn had come, so whether it began is not known.\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r := stepRig(t)
			r.occupy()
			cmd := bashStep(t, "a", "echo ran")
			r.start(cmd)
			if strings.Contains(content(r.ticketFile("a")), `"boot"`) {
				t.Error("it waits, and is recorded with its turn")
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			var record map[string]any
			dir := r.inHome(".tentacle", "tickets", "a")
			if found, err := process.ReadCommand(dir, &record); err != nil || !found {
				t.Fatal(found, err)
			}
			record["process"].(map[string]any)["boot"] = test.boot
			if err := os.Remove(r.ticketFile("a")); err != nil {
				t.Fatal(err)
			}
			file, err := process.StageTicket(dir, record, &process.Content{Plan: planOf(t, cmd)})
			if err != nil {
				t.Fatal(err)
			}
			_ = file.Close()
			r.open()
			r.letGo("holder")
			r.await("holder", 0)
			r.want(told(r.await("a", 0)), test.code, test.want)
			r.restart()
			r.want(told(r.await("a", 0)), test.code, test.want)
			r.start(bashStep(t, "b", "true"))
			if !strings.Contains(content(r.ticketFile("b")), `"boot"`) {
				t.Error("its turn came with its start, and that is not recorded")
			}
			r.await("b", 0)
		})
	}
}
