package run

import (
	"fmt"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// What only tells how far a run is is joined with what comes within the next second; what people wait for is not.
func TestProgressIsJoined(t *testing.T) {
	s := newStage(t, process(script("install"), script("smoke")), []string{"web-1", "web-2", "web-3"})
	s.passes()
	s.ends("web-1", "install", v1alpha1.StepSucceeded)
	if _, _, err := s.pass(); err != nil {
		t.Fatal(err)
	}
	written := s.run().ResourceVersion
	s.ends("web-2", "install", v1alpha1.StepSucceeded)
	if _, again, err := s.pass(); err != nil || again <= 0 || again > time.Second || s.run().ResourceVersion != written {
		t.Errorf("progress: the next pass is in %s, written at once %t, %v", again, s.run().ResourceVersion != written, err)
	}
	s.cancel()
	if run, _, err := s.pass(); err != nil || run.Status.Phase != v1alpha1.RunCancelling {
		t.Errorf("cancelled: %s, %v", run.Status.Phase, err)
	}
}

// The passes of a large run leave the workers to others, and none of them waits for long. Those of a small run hardly rest:
// they are short but for the API server, and the next step waits for them.
func TestPassesOfOneRunRest(t *testing.T) {
	small := newStage(t, process(script("install")), []string{"web-1", "web-2"})
	small.passes()
	small.memory.passed(small.run(), small.clock.Add(-time.Minute), small.clock)
	if got := small.memory.pause(small.run(), small.clock); got <= 0 || got > 10*time.Millisecond {
		t.Errorf("a run of two targets rests for %s", got)
	}
	names := make([]string, 100)
	for i := range names {
		names[i] = fmt.Sprintf("web-%d", i)
	}
	s := newStage(t, process(script("install")), names)
	s.passes()
	run, now := s.run(), s.clock
	for took, want := range map[time.Duration]time.Duration{0: 0, 50 * time.Millisecond: 150 * time.Millisecond, time.Minute: maxPause} {
		s.memory.passed(run, now.Add(-took), now)
		if got := s.memory.pause(run, now); got != want {
			t.Errorf("after a pass of %s it rests for %s, want %s", took, got, want)
		}
		if got := s.memory.pause(run, now.Add(maxPause)); got > 0 {
			t.Errorf("it rests for longer than %s", maxPause)
		}
	}
}
