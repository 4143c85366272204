package run

import (
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// A target has the release only once no step for a failure can come any more, which may be seen long after its last row
// was written.
func TestEverySliceSaysHowItsTargetsEnded(t *testing.T) {
	undo := script("undo", func(m *v1alpha1.StepModifiers) { m.Condition = v1alpha1.ConditionFailure })
	s := newStage(t, process(script("install"), undo), []string{"web-1"}, []string{"web-2"}, []string{"web-3"})
	s.passes()
	for _, target := range []string{"web-2", "web-3", "web-1"} {
		s.ends(target, "install", v1alpha1.StepSucceeded)
		s.clock = s.clock.Add(time.Minute)
		s.passes()
		if target == "web-3" { // also by the eyes of a leader that did not see them end
			s.newLeader()
			s.passes()
		}
	}
	if run := s.passes(); run.Status.Phase != v1alpha1.RunSucceeded {
		t.Fatalf("the run says %s", waits(run))
	}
	for _, target := range []string{"web-1", "web-2", "web-3"} {
		if result := s.stored(target); result.Phase != v1alpha1.StepSucceeded || result.FinishTime == nil {
			t.Errorf("the slice of %s says %s, finished at %v", target, result.Phase, result.FinishTime)
		}
	}
}

func TestASliceThatSaysAllIsNotWrittenAgain(t *testing.T) {
	s := newStage(t, process(script("install")), []string{"web-1"}, []string{"web-2"})
	s.passes()
	s.ends("web-1", "install", v1alpha1.StepSucceeded)
	s.clock = s.clock.Add(time.Minute)
	s.passes()
	written := map[string]int{}
	s.writes = func(slice string) error {
		written[slice]++
		return nil
	}
	s.ends("web-2", "install", v1alpha1.StepSucceeded)
	if run := s.passes(); run.Status.Phase != v1alpha1.RunSucceeded || written["run-000"] != 0 || written["run-001"] != 1 {
		t.Errorf("the run says %s; writes: %v", waits(run), written)
	}
}
