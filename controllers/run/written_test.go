package run

import (
	"errors"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

var errAway = errors.New("the API server is away")

func TestAMachineIsToldOfAResultOnlyOnceItIsWritten(t *testing.T) {
	s := newStage(t, process(script("install"), script("smoke")), []string{"web-1"}, []string{"web-2"})
	s.passes()
	s.ends("web-1", "install", v1alpha1.StepSucceeded)
	ticket := s.ticket("web-1", "install")
	report := s.reports[ticket]
	report.LogSize = 42
	s.reports[ticket] = report
	for range 3 { // the write is joined with what comes later
		if _, _, err := s.pass(); err != nil {
			t.Fatal(err)
		}
	}
	if s.row("web-1", "install").Phase != v1alpha1.StepRunning || s.acknowledged[ticket] || s.actions[ticket] == nil {
		t.Fatalf("the row says %s; told of its end: %t", s.row("web-1", "install").Phase, s.acknowledged[ticket])
	}
	s.writes = func(string) error { return errAway }
	s.clock = s.clock.Add(time.Minute)
	for range 3 {
		if _, _, err := s.pass(); !errors.Is(err, errAway) {
			t.Fatalf("a write that fails gives %v", err)
		}
	}
	if s.acknowledged[ticket] || s.actions[ticket] == nil {
		t.Error("the machine was told of a result that could not be written")
	}
	s.writes = func(string) error { return nil }
	s.passes()
	if log := s.row("web-1", "install").Log; log == nil || log.Size != 42 {
		t.Errorf("the row says of the output: %+v", log)
	}
	if s.row("web-1", "install").Phase != v1alpha1.StepSucceeded || !s.acknowledged[ticket] || s.actions[ticket] != nil {
		t.Errorf("the row says %s; told of its end: %t", s.row("web-1", "install").Phase, s.acknowledged[ticket])
	}
}

func TestNothingStartsThatIsNotWritten(t *testing.T) {
	s := newStage(t, process(script("install")), []string{"web-1"}, []string{"web-2"})
	s.writes = func(slice string) error {
		if slice == "run-001" {
			return errAway
		}
		return nil
	}
	for range 3 {
		if _, _, err := s.pass(); !errors.Is(err, errAway) {
			t.Fatalf("a write that fails gives %v", err)
		}
		if sent := s.sent("web-2", "install"); sent {
			t.Fatal("web-2 was started, and no slice says so")
		}
	}
	s.writes = func(string) error { return nil }
	s.passes()
	for _, target := range []string{"web-1", "web-2"} {
		if sent := s.sent(target, "install"); !sent || s.row(target, "install").Phase != v1alpha1.StepRunning {
			t.Errorf("%s: sent %t, the row says %q", target, sent, s.row(target, "install").Phase)
		}
	}
}

// What the sessions keep of an action has its secrets in it.
func TestARunEndsOnceItsMachinesAreTold(t *testing.T) {
	for name, comesBack := range map[string]bool{"the API server comes back": true, "it stays away": false} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, process(script("install")), []string{"web-1"})
			s.passes()
			s.ends("web-1", "install", v1alpha1.StepSucceeded)
			s.lost = errAway
			run, again, err := s.pass()
			if err != nil || again <= 0 || run.Status.Phase.IsTerminal() || s.row("web-1", "install").Phase != v1alpha1.StepSucceeded {
				t.Fatalf("the run is %s, its row %s; the next pass is in %s, %v", run.Status.Phase, s.row("web-1", "install").Phase, again, err)
			}
			if comesBack {
				s.lost = nil
			}
			for range 20 {
				if run.Status.Phase.IsTerminal() {
					break
				}
				s.clock = s.clock.Add(again)
				if run, again, err = s.pass(); err != nil {
					t.Fatal(err)
				}
			}
			if run.Status.Phase != v1alpha1.RunSucceeded || len(s.actions) != 0 || s.acknowledged[s.ticket("web-1", "install")] != comesBack {
				t.Errorf("the run is %s, %d actions are kept; the machine was told: %t", run.Status.Phase, len(s.actions), s.acknowledged[s.ticket("web-1", "install")])
			}
		})
	}
}

// The machine's journal goes by it when a cluster is made again.
func TestANewLeaderKnowsWhichActionCompletesTheRelease(t *testing.T) {
	undo := script("undo", func(m *v1alpha1.StepModifiers) { m.Condition = v1alpha1.ConditionFailure })
	s := newStage(t, process(script("install"), script("smoke"), undo), []string{"web-1"})
	for _, step := range []struct {
		name      string
		completes bool
	}{{"install", false}, {"smoke", true}} {
		s.passes()
		s.newLeader()
		s.passes()
		a := s.actions[s.ticket("web-1", step.name)]
		p, err := a.Prepare(t.Context())
		if err != nil || !a.Resume || p.Plan.Final != step.completes {
			t.Errorf("%s: asked first %t, completes the release %t, %v", step.name, a.Resume, p.Plan.Final, err)
		}
		s.ends("web-1", step.name, v1alpha1.StepSucceeded)
	}
}
