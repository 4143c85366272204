package status

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

func TestAMissingObjectIsWaitedForOneMinute(t *testing.T) {
	const reason = v1alpha1.ReasonReleaseNotFound
	start := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	var list []metav1.Condition
	pass := func(generation int64, after time.Duration) (bool, time.Duration) {
		now := start.Add(after)
		stalled, again := Absence(list, reason, generation, now)
		c := Conditions{List: &list, Generation: generation, Now: now}
		if stalled {
			c.Stalled(reason, "it is not there")
		} else {
			c.Reconciling(reason, "it is not there")
		}
		return stalled, again
	}
	// What was wrong for an hour before is another matter, both for Ready and for Reconciling.
	Conditions{List: &list, Generation: 1, Now: start.Add(-time.Hour)}.Reconciling(v1alpha1.ReasonRunning, "goes on")

	for _, step := range []struct {
		generation int64
		after      time.Duration
		stalled    bool
		again      time.Duration
	}{
		{1, 0, false, time.Minute},
		{1, 20 * time.Second, false, 40 * time.Second},
		{1, time.Minute, true, 0},
		{1, time.Hour, true, 0},
		{2, 2 * time.Hour, false, time.Minute}, // another spec names another object
		{2, 2*time.Hour + 59*time.Second, false, time.Second},
		{3, 2*time.Hour + time.Minute, false, time.Minute}, // and another before the minute was over
		{3, 2*time.Hour + 90*time.Second, false, 30 * time.Second},
		{3, 2*time.Hour + 2*time.Minute, true, 0},
	} {
		if stalled, again := pass(step.generation, step.after); stalled != step.stalled || again != step.again {
			t.Errorf("generation %d, after %s: stalled %t, again after %s; want %t, %s", step.generation, step.after, stalled, again, step.stalled, step.again)
		}
	}
}

func TestAbsenceReadsAConditionOfItsOwn(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	var list []metav1.Condition
	c := Conditions{List: &list, Generation: 1, Now: now}
	c.SetReason("EnvironmentsFound", metav1.ConditionFalse, v1alpha1.ReasonEnvironmentNotFound, "it is not there")
	c.Reconciling(v1alpha1.ReasonProgressing, "something else goes on")
	if stalled, again := Absence(list, v1alpha1.ReasonEnvironmentNotFound, 1, now.Add(time.Minute)); !stalled || again != 0 {
		t.Errorf("stalled %t, again after %s", stalled, again)
	}
}
