package target

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Thousands of targets are made at once, and most first checks end in a moment: their results are the first that is
// written. One that takes longer is told of.
func TestANewTargetIsWrittenWhenItWasLookedAt(t *testing.T) {
	new := func(age time.Duration, change func(*facts)) facts {
		dt := aTarget()
		dt.CreationTimestamp = metav1.NewTime(noon.Add(-age))
		f := seen(dt, nil)
		change(&f)
		return f
	}
	for name, tt := range map[string]struct {
		facts
		waits bool
	}{
		"new":              {new(time.Second, func(*facts) {}), true},
		"looked at":        {new(time.Second, func(f *facts) { f.Found = &result{At: noon} }), false},
		"a long check":     {new(time.Minute, func(*facts) {}), false},
		"a clock ahead":    {new(-time.Minute, func(*facts) {}), false},
		"not looked at":    {new(time.Second, func(f *facts) { f.Blocked = &blocked{} }), false},
		"no environment":   {new(time.Second, func(f *facts) { f.Absent = "spec.environments[0]" }), false},
		"told of already":  {new(time.Second, func(f *facts) { f.Target.Status.Conditions = []metav1.Condition{{}} }), false},
		"never looked at":  {new(time.Second, func(f *facts) { f.Policy = never() }), false},
		"known from a run": {new(time.Second, func(f *facts) { f.Rows = make([]v1alpha1.InstalledRelease, 1) }), false},
	} {
		if left := tt.firstWriteIn(); left > firstCheck || left > 0 != tt.waits {
			t.Errorf("%s: waits for %s", name, left)
		}
	}
}

func never() *v1alpha1.TargetPolicy {
	return &v1alpha1.TargetPolicy{Spec: v1alpha1.TargetPolicySpec{HealthCheck: &v1alpha1.HealthCheck{Interval: &metav1.Duration{}}}}
}
