//go:build unix

package engine

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/step"
)

// running is a step that was started and not waited for.
type running struct {
	t              *testing.T
	cmd            *exec.Cmd
	nonce          string
	stdout, stderr lockedBuffer
}

// lockedBuffer is written by a process while the test reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (r *running) wait() report {
	r.t.Helper()
	guard := time.AfterFunc(time.Minute, func() { _ = r.cmd.Process.Kill() })
	defer guard.Stop()
	_ = r.cmd.Wait()
	found := read(r.nonce, r.stdout.String(), r.stderr.String())
	found.code = r.cmd.ProcessState.ExitCode()
	return found
}

// claiming starts a step of one ticket in a new folder, as a Tentacle does that forgets its tickets.
func (m *machine) claiming(p step.Plan, ticket string) *running {
	m.t.Helper()
	cmd, folder := m.command(p)
	data, err := os.ReadFile(filepath.Join(folder, step.PlanFile))
	if err != nil {
		m.t.Fatal(err)
	}
	own := filepath.Base(folder)
	text := strings.ReplaceAll(strings.ReplaceAll(string(data), own, ticket), step.Nonce(own), step.Nonce(ticket))
	if err := os.WriteFile(filepath.Join(folder, step.PlanFile), []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
	cmd.Args = []string{cmd.Args[0], "-c", `exec "$MANTLE_ENGINE" step --home "$TentacleHome" --plan plan.json --claims`}
	r := &running{t: m.t, cmd: cmd, nonce: step.Nonce(ticket)}
	cmd.Stdout, cmd.Stderr = &r.stdout, &r.stderr
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = cmd.Process.Kill() })
	return r
}

func TestAStepThatIsStartedTwiceRunsOnceAndEndsTwice(t *testing.T) {
	m := newMachine(t)
	p := script(step.Bash, "echo run >> "+filepath.Join(m.home, "ran")+`; echo path=/srv >> "$MANTLE_OUTPUT"; exit 3`)
	p.Outputs = []string{"path"}
	first := m.claiming(p, "m1").wait()
	second := m.claiming(p, "m1").wait()
	for _, r := range []report{first, second} {
		r.failed(t, 3, step.ReasonExitCode)
		if r.result.Outputs["path"] != "/srv" {
			t.Errorf("outputs %v", r.result.Outputs)
		}
	}
	if ran, _ := os.ReadFile(filepath.Join(m.home, "ran")); string(ran) != "run\n" {
		t.Errorf("ran as %q", ran)
	}
}

func TestASecondStartWaitsForTheFirst(t *testing.T) {
	m := newMachine(t)
	gate, ran := filepath.Join(m.home, "gate"), filepath.Join(m.home, "ran")
	p := script(step.Bash, "echo run >> "+ran+"; while [ ! -e "+gate+" ]; do sleep 0.05; done")
	first := m.claiming(p, "m1")
	eventually(t, "the first runs", func() bool { _, err := os.Stat(ran); return err == nil })
	second := m.claiming(p, "m1")
	eventually(t, "the second waits", func() bool { return strings.Contains(second.stdout.String(), "still runs") })
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	first.wait().ok(t)
	second.wait().ok(t)
	if text, _ := os.ReadFile(ran); string(text) != "run\n" {
		t.Errorf("ran as %q", text)
	}
}

// A Tentacle that was restarted has lost its lock: the next step waits for the one that still runs, and then has all its time.
func TestAnotherStepWaitsForTheOneThatRuns(t *testing.T) {
	m := newMachine(t)
	gate, ran := filepath.Join(m.home, "gate"), filepath.Join(m.home, "ran")
	first := m.claiming(script(step.Bash, "echo begin1 >> "+ran+"; while [ ! -e "+gate+" ]; do sleep 0.05; done; echo end1 >> "+ran), "m1")
	eventually(t, "the first runs", func() bool { _, err := os.Stat(ran); return err == nil })
	hasty := script(step.Bash, "echo hasty >> "+ran)
	hasty.TimeoutSeconds = 1
	if r := m.claiming(hasty, "m2").wait().failed(t, step.ExitFailed, step.ReasonMutexTimedOut); !strings.Contains(r.result.Tail, "busy") {
		t.Errorf("the tail is %q", r.result.Tail)
	}
	next := m.claiming(script(step.Bash, "echo begin3 >> "+ran), "m3")
	eventually(t, "the next waits", func() bool { return strings.Contains(next.stdout.String(), "still runs") })
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	first.wait().ok(t)
	next.wait().ok(t)
	if text, _ := os.ReadFile(ran); string(text) != "begin1\nend1\nbegin3\n" {
		t.Errorf("ran as %q", text)
	}
}

func TestAStepWhoseEngineWasKilledIsNeitherRunAgainNorCalledASuccess(t *testing.T) {
	m := newMachine(t)
	m.env = []string{crashAt + "=begun"}
	ran := filepath.Join(m.home, "ran")
	m.claiming(script(step.Bash, "echo run >> "+ran), "m1").wait()
	m.env = nil
	r := m.claiming(script(step.Bash, "echo run >> "+ran), "m1").wait()
	if _, err := os.Stat(ran); err == nil || r.hasResult || r.code != step.ExitClaimed || !strings.Contains(r.stderr, "started before") {
		t.Errorf("code %d, result %v, %v: %s", r.code, r.hasResult, err, r.stderr)
	}
	m.claiming(script(step.Bash, "echo run >> "+ran), "m2").wait().ok(t) // another ticket is another step
}

func TestOldClaimsAreForgotten(t *testing.T) {
	m := newMachine(t)
	m.claiming(script(step.Bash, "true"), "m1").wait().ok(t)
	old := filepath.Join(m.home, "Applications", ".claims", "m1")
	long := time.Now().Add(-31 * 24 * time.Hour)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	m.claiming(script(step.Bash, "true"), "m2").wait().ok(t)
	if _, err := os.Stat(old); err != nil {
		t.Errorf("a claim of this run of the machine is forgotten, as its clock was set: %v", err)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(old, "claimed"), []byte("77\n"), 0o600), os.Chtimes(old, long, long)); err != nil {
		t.Fatal(err)
	}
	m.claiming(script(step.Bash, "true"), "m3").wait().ok(t)
	if _, err := os.Stat(old); err == nil {
		t.Error("the old claim is still there")
	}
}
