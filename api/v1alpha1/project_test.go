package v1alpha1

import (
	"math"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A process comes from a snapshot, which no schema has checked.
func TestATimeoutIsBoundedWhereverItComesFrom(t *testing.T) {
	for given, want := range map[time.Duration]time.Duration{0: DefaultStepTimeout, -1: DefaultStepTimeout, time.Minute: time.Minute, math.MaxInt64: MaxStepTimeout} {
		if got := (StepModifiers{Timeout: &metav1.Duration{Duration: given}}).GetTimeout(); got != want {
			t.Errorf("%s: %s, want %s", given, got, want)
		}
	}
}
