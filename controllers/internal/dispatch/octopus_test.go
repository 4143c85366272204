//go:build unix

package dispatch_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	wire "github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/session"
	"github.com/mantledeploy/mantle/hack/kubetest"
)

var generations = map[string]tentacletest.Generation{
	"Tentacle 5": tentacletest.Octopus5, "Tentacle 6.3": tentacletest.Octopus63, "Tentacle 7": tentacletest.Octopus7,
	"Tentacle 8": tentacletest.Octopus8, "Tentacle 9": tentacletest.Octopus9,
}

func generation(g tentacletest.Generation) func(*tentacletest.Options) {
	return func(o *tentacletest.Options) { o.Generation = g }
}

// brings is a pool with a real engine for this machine.
func brings(t *testing.T) *pool {
	t.Helper()
	dir := t.TempDir()
	if err := os.Symlink(kubetest.Binary(t, "tentacle"), filepath.Join(dir, "tentacle-"+runtime.GOOS+"-"+runtime.GOARCH)); err != nil {
		t.Fatal(err)
	}
	return poolWith(t, dir)
}

func poolWith(t *testing.T, engines string) *pool {
	t.Helper()
	return newPool(t, func(s *session.Config, d *dispatch.Config) {
		s.EngineDir, d.CompleteAfter = engines, 300*time.Millisecond
	})
}

// saying is an action whose script says so.
func saying(m machine, ticket, script string) *job {
	a := runAction(m, ticket)
	a.Plan.Run.Script = script
	return a
}

// uploads are the engines among what was uploaded.
func engines(t *testing.T, m machine) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(m.Home(), "Files", "mantle-engines", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAnOctopusTentacleOfEveryGenerationCarriesStepsOut(t *testing.T) {
	for name, g := range generations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, p := newMachine(t, nil, generation(g)), brings(t)
			probe, err := p.sessions.Probe(t.Context(), m.Machine)
			if err != nil || probe.Fits() != nil || !probe.Octopus || probe.Facts.Version != g.Version() || probe.Facts.OS != runtime.GOOS || probe.Facts.Arch != runtime.GOARCH {
				t.Fatalf("%+v, %v, %v", probe, err, probe.Fits())
			}
			for ticket, exit := range map[string]int{"t1": 0, "t2": 3} {
				a := saying(m, ticket, fmt.Sprintf("echo out; sleep 0.1; echo '##octopus[stdout-verbose]'; echo detail; exit %d", exit))
				p.Dispatch(a)
				r := await(t, p, ticket, ended)
				if r.ExitCode == nil || int(*r.ExitCode) != exit || (r.Phase == v1alpha1.StepSucceeded) != (exit == 0) {
					t.Fatalf("%s (%s: %s) with %v", r.Phase, r.Reason, r.Message, r.ExitCode)
				}
				log := a.Log.(*kept)
				if text := log.text(); text != "out" {
					t.Errorf("the step's output is %q", text)
				}
				if aside := strings.Join(log.aside, "\n"); !strings.Contains(aside, "exited with code "+strconv.Itoa(exit)) || !strings.Contains(aside, "detail") || !strings.Contains(aside, "Acquiring isolation mutex RunningScript") {
					t.Errorf("aside is %q", aside)
				}
				if exit != 0 && strings.Contains(r.Message, "mutex") {
					t.Errorf("the tail has the launcher's lines: %q", r.Message)
				}
			}
			if inventory, err := p.sessions.Inventory(t.Context(), m.Machine); err != nil || inventory.OS != runtime.GOOS {
				t.Errorf("%+v, %v", inventory, err)
			}
			if found := engines(t, m); len(found) != 1 || calls(m, "UploadFile") != 1 {
				t.Errorf("after %d uploads there are %q", calls(m, "UploadFile"), found)
			}
		})
	}
}

func TestAnEngineIsSentOnceToAMachine(t *testing.T) {
	t.Parallel()
	m, p := newMachine(t, nil, generation(tentacletest.Octopus9)), brings(t)
	const many = 20
	for i := range many {
		a := saying(m, "t"+strconv.Itoa(i), "true")
		p.Dispatch(a)
	}
	for i := range many {
		if r := await(t, p, "t"+strconv.Itoa(i), ended); r.Phase != v1alpha1.StepSucceeded {
			t.Fatalf("%s (%s)", r.Phase, r.Message)
		}
	}
	second := brings(t) // another operator knows nothing, and finds it there
	second.Dispatch(saying(m, "again", "true"))
	if r := await(t, second, "again", ended); r.Phase != v1alpha1.StepSucceeded || calls(m, "UploadFile") != 1 {
		t.Errorf("%s (%s), %d uploads", r.Phase, r.Message, calls(m, "UploadFile"))
	}
	found := engines(t, m)
	if len(found) != 1 {
		t.Fatalf("engines %q", found)
	}
	if err := os.WriteFile(found[0], []byte("torn"), 0o700); err != nil {
		t.Fatal(err)
	}
	third := brings(t)
	third.Dispatch(saying(m, "whole", "true"))
	if r := await(t, third, "whole", ended); r.Phase != v1alpha1.StepSucceeded || calls(m, "UploadFile") != 2 {
		t.Errorf("with a torn engine: %s (%s), %d uploads", r.Phase, r.Message, calls(m, "UploadFile"))
	}
}

// Somebody clears the folder of the engine while its machine is worked with. It is brought again, and the action goes on.
func TestAnEngineThatWentAwayIsBroughtAgain(t *testing.T) {
	t.Parallel()
	for _, g := range []tentacletest.Generation{tentacletest.Octopus63, tentacletest.Octopus9} {
		m, p := newMachine(t, nil, generation(g)), brings(t)
		p.sessions.Open(m.Machine) // somebody else works with it all the time
		p.Dispatch(saying(m, "t1", "true"))
		if r := await(t, p, "t1", ended); r.Phase != v1alpha1.StepSucceeded {
			t.Fatalf("%s (%s)", r.Phase, r.Message)
		}
		remove := func() {
			for _, path := range engines(t, m) {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
		}
		remove()
		a := saying(m, "t2", "echo once")
		p.Dispatch(a)
		if r := await(t, p, "t2", ended); r.Phase != v1alpha1.StepSucceeded || calls(m, "UploadFile") != 2 {
			t.Fatalf("%s: %s (%s: %s), %d uploads", g.Version(), r.Phase, r.Reason, r.Message, calls(m, "UploadFile"))
		}
		if lines := a.Log.(*kept).lines; len(lines) != 2 || !strings.Contains(lines[0], "is gone") || lines[1] != "once" {
			t.Errorf("%s: the output is %q", g.Version(), lines)
		}
		remove()
		if _, err := p.sessions.Inventory(t.Context(), m.Machine); err != nil {
			t.Errorf("%s: the inventory: %v", g.Version(), err)
		}
	}
}

func TestAMissingEngineIsSaidWithItsRemedy(t *testing.T) {
	t.Parallel()
	for dir, remedy := range map[string]string{"": "--engine-dir", t.TempDir(): "tentacle-" + runtime.GOOS + "-" + runtime.GOARCH} {
		m, p := newMachine(t, nil, generation(tentacletest.Octopus7)), poolWith(t, dir)
		p.Dispatch(saying(m, "t1", "true"))
		if r := await(t, p, "t1", ended); r.Reason != "EngineUnavailable" || !strings.Contains(r.Message, remedy) || r.Sent {
			t.Errorf("%s: %s, sent %v", r.Reason, r.Message, r.Sent)
		}
		probe, err := p.sessions.Probe(t.Context(), m.Machine)
		if err != nil || probe.Fits() == nil || probe.Facts.OS != runtime.GOOS {
			t.Errorf("%+v, %v", probe, err)
		}
	}
}

// A Mantle Tentacle that is older than its operator is brought an engine too, unless its policy takes no other.
func TestAMantleTentacleWithAnOldEngineIsBroughtOne(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	old := func(o *tentacletest.Options) { o.Facts.Engine, o.Root = -1, root }
	m, p := newMachine(t, nil, old), poolWith(t, "")
	p.Dispatch(saying(m, "t1", "true"))
	if r := await(t, p, "t1", ended); r.Reason != "EngineUnavailable" {
		t.Errorf("%s: %s", r.Reason, r.Message)
	}
	refuses := newMachine(t, func(_ context.Context, e *tentacletest.Execution) int32 {
		e.Print(wire.StdErr, "refused: requireEngine")
		return wire.ExitRefused
	}, old)
	p.Dispatch(saying(refuses, "t2", "true"))
	if r := await(t, p, "t2", ended); r.Reason != "EngineTooOld" || !strings.Contains(r.Message, "upgrade") || r.Sent {
		t.Errorf("%s: %s, sent %v", r.Reason, r.Message, r.Sent)
	}
}

// ran counts what a script has written of itself.
func ran(t *testing.T, m machine) int {
	t.Helper()
	data, _ := os.ReadFile(filepath.Join(m.Home(), "ran"))
	return strings.Count(string(data), "\n")
}

// Over script service V1 nobody can ask for a script whose start was not answered; over V2 of Octopus it is asked for by
// its ticket. Either way it runs once, and how it ended is told.
func TestAStartThatWasNotAnsweredRunsOnceOnEveryGeneration(t *testing.T) {
	for name, g := range generations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, p := newMachine(t, nil, generation(g)), brings(t)
			if _, err := p.sessions.Inventory(t.Context(), m.Machine); err != nil {
				t.Fatal(err)
			}
			m.Inject(tentacletest.After("StartScript"), 2, tentacletest.Drop)
			a := saying(m, "t1", "echo x >> "+filepath.Join(m.Home(), "ran")+"; sleep 0.3; exit 4")
			a.Machine.RetryDuration = time.Minute
			p.Dispatch(a)
			r := await(t, p, "t1", ended)
			if n := ran(t, m); n != 1 || r.Phase != v1alpha1.StepFailed || r.ExitCode == nil || *r.ExitCode != 4 {
				t.Errorf("ran %d times, %s (%s: %s)", n, r.Phase, r.Reason, r.Message)
			}
		})
	}
}

func TestAnOperatorThatIsReplacedRunsNothingTwiceOnEveryGeneration(t *testing.T) {
	for name, g := range generations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, first := newMachine(t, nil, generation(g)), brings(t)
			gate := filepath.Join(m.Home(), "gate")
			script := "echo x >> " + filepath.Join(m.Home(), "ran") + "; while [ ! -e " + gate + " ]; do sleep 0.05; done"
			first.Dispatch(saying(m, "t1", script))
			eventually(t, "it runs", func() bool { return ran(t, m) == 1 })
			first.Close()
			second := brings(t)
			a := saying(m, "t1", script)
			a.Resume = true
			second.Dispatch(a)
			eventually(t, "it is taken up", func() bool {
				r, _ := second.Report("t1")
				return r.Sent
			})
			if err := os.WriteFile(gate, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			r := await(t, second, "t1", ended)
			if n := ran(t, m); n != 1 || r.Phase != v1alpha1.StepSucceeded {
				t.Errorf("ran %d times, %s (%s: %s)", n, r.Phase, r.Reason, r.Message)
			}
		})
	}
}

// A Tentacle that forgot a running script over V1 answers Complete with exit code 0, which is no success. A cancel cannot reach
// the script any more, so its engine is not asked to wait for it.
func TestAScriptThatV1ForgotIsLost(t *testing.T) {
	t.Parallel()
	m, p := newMachine(t, nil, generation(tentacletest.Octopus5)), brings(t)
	p.Dispatch(saying(m, "t1", "echo x >> "+filepath.Join(m.Home(), "ran")+"; sleep 60"))
	eventually(t, "it runs", func() bool { return ran(t, m) == 1 })
	m.Stop()
	m.Lose()
	p.Cancel("t1")
	m.Listen()
	r := await(t, p, "t1", ended)
	if r.Phase != v1alpha1.StepLost || r.ExitCode != nil || !strings.Contains(r.Message, "forgotten") {
		t.Errorf("%s (%s) with exit code %v", r.Phase, r.Message, r.ExitCode)
	}
}

func TestACancelOfAnOctopusScriptIsACancel(t *testing.T) {
	for name, g := range generations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, p := newMachine(t, nil, generation(g)), brings(t)
			p.Dispatch(saying(m, "t1", "echo x >> "+filepath.Join(m.Home(), "ran")+"; sleep 60"))
			eventually(t, "it runs", func() bool { return ran(t, m) == 1 })
			p.Cancel("t1")
			if r := await(t, p, "t1", ended); r.Phase != v1alpha1.StepCancelled || r.Seconds == 0 {
				t.Errorf("%s (%s) after %f s", r.Phase, r.Message, r.Seconds)
			}
			for _, e := range m.Executions() {
				if held := e.Command.DurationToWaitForScriptToFinish; held != nil && held.Duration() > time.Second && len(e.Files) > 0 {
					t.Errorf("the answer to a start, and so a cancel, is held for %s", held.Duration())
				}
			}
		})
	}
}

// Nobody can end the first start of a script that V1 has forgotten, so a cancel of the second says nothing about it.
func TestACancelOfWhatV1ForgotIsLost(t *testing.T) {
	t.Parallel()
	m, first := newMachine(t, nil, generation(tentacletest.Octopus5)), brings(t)
	script := "echo x >> " + filepath.Join(m.Home(), "ran") + "; sleep 60"
	first.Dispatch(saying(m, "t1", script))
	eventually(t, "it runs", func() bool { return ran(t, m) == 1 })
	first.Close()
	second := brings(t)
	a := saying(m, "t1", script)
	a.Resume = true
	second.Dispatch(a)
	eventually(t, "it is sent again", func() bool { return calls(m, "StartScript") >= 5 })
	second.Cancel("t1")
	if r := await(t, second, "t1", ended); r.Phase != v1alpha1.StepLost || !strings.Contains(r.Message, "may still run") || ran(t, m) != 1 {
		t.Errorf("%s (%s), ran %d times", r.Phase, r.Message, ran(t, m))
	}
}

// A ticket is completed only when no leader of before can start it again, where the machine keeps no tombstones.
func TestAnOctopusTentacleIsToldLater(t *testing.T) {
	t.Parallel()
	m, p := newMachine(t, nil, generation(tentacletest.Octopus9)), brings(t)
	p.Dispatch(saying(m, "t1", "true"))
	await(t, p, "t1", ended)
	eventually(t, "the scripts of the engine are completed", func() bool { return calls(m, "CompleteScript") == 2 })
	began := time.Now()
	p.Acknowledge(uid, m.Machine, "t1")
	eventually(t, "the ticket is completed", func() bool { return calls(m, "CompleteScript") == 3 })
	if took := time.Since(began); took < 250*time.Millisecond {
		t.Errorf("completed after %s", took)
	}
}

// What a generation of before the capabilities service needs is a pause before each part of a data stream.
func TestAnOldTentacleGetsItsFilesSlowly(t *testing.T) {
	t.Parallel()
	for g, slow := range map[tentacletest.Generation]bool{tentacletest.Octopus5: true, tentacletest.Octopus63: false} {
		m := newMachine(t, nil, generation(g))
		client := halibut.NewClient(halibut.ClientConfig{Certificate: m.Identity.Certificate})
		t.Cleanup(client.Close)
		c := wire.NewClient(client, m.Endpoint())
		facts, err := c.Facts(t.Context())
		if err != nil || facts.Old != slow {
			t.Fatalf("%+v, %v", facts, err)
		}
		if pause := c.For(facts).Endpoint().StreamPause; (pause == 50*time.Millisecond) != slow {
			t.Errorf("pause %s", pause)
		}
		began := time.Now()
		if _, err := c.For(facts).UploadFile(t.Context(), "x", halibut.NewDataStreamBytes([]byte("content"))); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); slow && took < 150*time.Millisecond {
			t.Errorf("the parts were sent within %s", took)
		}
	}
}

func TestAnIdleConnectionThatTheMachineClosedIsReplaced(t *testing.T) {
	t.Parallel()
	m, p := newMachine(t, nil, generation(tentacletest.Octopus9)), brings(t)
	if _, err := p.sessions.Inventory(t.Context(), m.Machine); err != nil {
		t.Fatal(err)
	}
	m.DropConnections()
	if _, err := p.sessions.Inventory(t.Context(), m.Machine); err != nil {
		t.Errorf("over a connection that was closed meanwhile: %v", err)
	}
}

func TestAPlanOfAnEngineThatWasBroughtIsQuoted(t *testing.T) {
	a := runAction(machine{}, "t1")
	c, err := step.CommandFor(step.Brought{Path: "/a'b/x", Home: "C:\\it\u2019s"}, a.Plan, nil)
	if err != nil || !strings.Contains(c.Scripts["Bash"], `'/a'\''b/x'`) || !strings.Contains(c.ScriptBody, "'C:\\it\u2019\u2019s'") {
		t.Errorf("%v: %q %q", err, c.Scripts["Bash"], c.ScriptBody)
	}
	if !slices.ContainsFunc(c.Files, func(f wire.ScriptFile) bool { return f.Name == step.PlanFile }) {
		t.Error("the plan is missing")
	}
}
