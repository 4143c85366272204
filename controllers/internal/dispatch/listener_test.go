//go:build unix

package dispatch_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// The answer to StartScript has all that the script has written by then, as later ones have all since the last.
func TestAnAnswerOfAnySizePasses(t *testing.T) {
	t.Parallel()
	for _, g := range []tentacletest.Generation{tentacletest.Octopus63, tentacletest.Octopus9} {
		m, p := newMachine(t, nil, generation(g)), brings(t)
		const lines, length = 400_000, 66
		a := saying(m, "t1", fmt.Sprintf("yes %s | head -n %d; exit 3", strings.Repeat("x", length), lines))
		p.Dispatch(a)
		r := await(t, p, "t1", ended)
		if r.Phase != v1alpha1.StepFailed || r.ExitCode == nil || *r.ExitCode != 3 {
			t.Errorf("%s: %s (%s: %s) with %v", g.Version(), r.Phase, r.Reason, r.Message, r.ExitCode)
		}
		if got := a.Log.(*kept).lines; len(got) != lines || len(got[lines-1]) != length {
			t.Errorf("%s: %d lines", g.Version(), len(got))
		}
	}
}

// What a Tentacle cannot answer with is missing, and the log says so; the result is the step's all the same, by its engine.
func TestWhatATentacleCannotTellIsMissingAndTheResultIsTrue(t *testing.T) {
	t.Parallel()
	for _, g := range []tentacletest.Generation{tentacletest.Octopus63, tentacletest.Octopus9} {
		m, p := newMachine(t, nil, generation(g)), brings(t)
		gate := filepath.Join(m.Home(), "gate")
		a := saying(m, "t1", "echo begin; echo x >> "+filepath.Join(m.Home(), "ran")+"; while [ ! -e "+gate+" ]; do sleep 0.05; done; seq 1 1000; touch "+gate+".done; exit 3")
		p.Dispatch(a)
		log := a.Log.(*kept)
		eventually(t, "its first output has come", func() bool { return log.text() == "begin" })
		m.Stop()
		m.Limit(500)
		if err := os.WriteFile(gate, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it has written all", func() bool { _, err := os.Stat(gate + ".done"); return err == nil })
		m.Listen()
		r := await(t, p, "t1", ended)
		if n := ran(t, m); n != 1 || r.Phase != v1alpha1.StepFailed || r.ExitCode == nil || *r.ExitCode != 3 {
			t.Errorf("ran %d times, %s (%s: %s) with %v", n, r.Phase, r.Reason, r.Message, r.ExitCode)
		}
		if aside := strings.Join(log.aside, "\n"); log.text() != "begin" || !strings.Contains(aside, "not in this log") {
			t.Errorf("the log has %q, and aside %q", log.text(), aside)
		}
	}
}

// A line of any length is one line.
func TestALineOfAnyLengthStaysWhole(t *testing.T) {
	t.Parallel()
	m, p := newMachine(t, nil, generation(tentacletest.Octopus9)), brings(t)
	a := saying(m, "t1", "for n in 200000 3000000; do head -c $n /dev/zero | tr '\\0' y; echo; done; echo after")
	p.Dispatch(a)
	if r := await(t, p, "t1", ended); r.Phase != v1alpha1.StepSucceeded {
		t.Errorf("%s (%s: %s)", r.Phase, r.Reason, r.Message)
	}
	got := a.Log.(*kept).lines
	if len(got) != 3 || len(got[0]) != 200_000 || len(got[1]) != 3_000_000 || got[2] != "after" {
		t.Errorf("%d lines", len(got))
	}
}

// A Tentacle that is restarted in the middle of a step loses it; the step goes on. Its engine tells how it ended, and it is
// not run a second time.
func TestAStepThatItsTentacleHasForgottenIsFollowedToItsEnd(t *testing.T) {
	t.Parallel()
	for name, g := range generations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, p := newMachine(t, nil, generation(g)), brings(t)
			gate := filepath.Join(m.Home(), "gate")
			a := saying(m, "t1", "echo begin; echo x >> "+filepath.Join(m.Home(), "ran")+"; while [ ! -e "+gate+" ]; do sleep 0.05; done; echo \"answer=42\" >> $MANTLE_OUTPUT; exit 4")
			a.Plan.Outputs = []string{"answer"}
			p.Dispatch(a)
			log := a.Log.(*kept)
			eventually(t, "it runs, and its output has come", func() bool { return ran(t, m) == 1 && log.text() == "begin" })
			starts := calls(m, "StartScript")
			m.Lose()
			eventually(t, "the engine is asked", func() bool { return calls(m, "StartScript") > starts })
			if err := os.WriteFile(gate, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			r := await(t, p, "t1", ended)
			if n := ran(t, m); n != 1 || r.Phase != v1alpha1.StepFailed || r.ExitCode == nil || *r.ExitCode != 4 || r.Outputs["answer"] != "42" {
				t.Errorf("ran %d times, %s (%s: %s), %v", n, r.Phase, r.Reason, r.Message, r.Outputs)
			}
			if aside := strings.Join(log.aside, "\n"); log.text() != "begin" || !strings.Contains(aside, "not in this log") {
				t.Errorf("the log has %q, and aside %q", log.text(), aside)
			}
			p.Acknowledge(uid, m.Machine, "t1")
			eventually(t, "the machine has no script's folder any more", func() bool {
				left, err := os.ReadDir(filepath.Join(m.Home(), "Work"))
				return err == nil && len(left) == 0
			})
		})
	}
}

// A Tentacle that is restarted while it is asked for its system has not answered, and is asked again.
func TestATentacleThatIsRestartedWhileItsEngineIsBroughtIsAskedAgain(t *testing.T) {
	t.Parallel()
	for _, g := range []tentacletest.Generation{tentacletest.Octopus63, tentacletest.Octopus9} {
		m, p := newMachine(t, nil, generation(g)), brings(t)
		m.Inject(tentacletest.Before("GetStatus"), 1, tentacletest.Hook(m.Lose))
		p.Dispatch(saying(m, "t1", "exit 3"))
		if r := await(t, p, "t1", ended); r.ExitCode == nil || *r.ExitCode != 3 {
			t.Errorf("%s: %s (%s: %s)", g.Version(), r.Phase, r.Reason, r.Message)
		}
	}
}

// The restart comes before the engine has begun anything: the step begins then.
func TestAStepThatWasForgottenBeforeItBeganBegins(t *testing.T) {
	t.Parallel()
	m, p := newMachine(t, nil, generation(tentacletest.Octopus9)), brings(t)
	if _, err := p.sessions.Inventory(t.Context(), m.Machine); err != nil {
		t.Fatal(err)
	}
	m.Inject(tentacletest.After("StartScript"), 1, tentacletest.Hook(m.Forget))
	p.Dispatch(saying(m, "t1", "echo x >> "+filepath.Join(m.Home(), "ran")))
	if r := await(t, p, "t1", ended); r.Phase != v1alpha1.StepSucceeded || ran(t, m) != 1 {
		t.Errorf("ran %d times, %s (%s: %s)", ran(t, m), r.Phase, r.Reason, r.Message)
	}
}

// A new operator takes a step over. Over script service V2 it reads all of the output; over V1 nobody has the rest, and the log
// says so.
func TestTheLogOfAStepThatWasTakenOverIsWholeOrSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	for g, whole := range map[tentacletest.Generation]bool{tentacletest.Octopus63: false, tentacletest.Octopus9: true} {
		m, first := newMachine(t, nil, generation(g)), brings(t)
		gate := filepath.Join(m.Home(), "gate")
		a := saying(m, "t1", "echo begin; while [ ! -e "+gate+" ]; do sleep 0.05; done; echo end; exit 5")
		first.Dispatch(a)
		log := a.Log.(*kept)
		eventually(t, "its first output has come", func() bool { return log.text() == "begin" })
		first.Close()
		second := brings(t)
		a.Resume = true
		second.Dispatch(a)
		if err := os.WriteFile(gate, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		r := await(t, second, "t1", ended)
		if r.ExitCode == nil || *r.ExitCode != 5 {
			t.Errorf("%s: %s (%s: %s)", g.Version(), r.Phase, r.Reason, r.Message)
		}
		said := strings.Contains(strings.Join(log.aside, "\n"), "not in this log")
		if got := log.text(); whole && (got != "begin\nend" || said) || !whole && (got != "begin" || !said) {
			t.Errorf("%s: the log is %q, and aside %q", g.Version(), got, log.aside)
		}
	}
}
