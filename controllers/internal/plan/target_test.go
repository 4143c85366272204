package plan

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
)

// What a target is to a run; where several hold, the first counts.
func TestHowATargetIsNow(t *testing.T) {
	run := v1alpha1.DeploymentRunSpec{Project: "shop", Environment: "production"}
	was := v1alpha1.SliceTarget{Name: "web-1", UID: "uid", Thumbprint: "AA", Steps: []int32{1}}
	changes := []struct {
		want   Availability
		change func(*v1alpha1.DeploymentTarget)
	}{
		{Available, func(*v1alpha1.DeploymentTarget) {}},
		{Full, func(t *v1alpha1.DeploymentTarget) {
			t.Status.Installed = make([]v1alpha1.InstalledRelease, desired.MaxInstalled)
		}},
		{Untrusted, func(t *v1alpha1.DeploymentTarget) {
			t.Status.Health = v1alpha1.HealthUntrusted
			t.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Reason: "ThumbprintMismatch", Message: "another machine"}}
		}},
		{Unavailable, func(t *v1alpha1.DeploymentTarget) { t.Status.Health = v1alpha1.HealthUnavailable }},
		{Cordoned, func(t *v1alpha1.DeploymentTarget) { t.Spec.Cordoned, t.Spec.CordonReason = true, "the disk" }},
		{Left, func(t *v1alpha1.DeploymentTarget) { t.Spec.Environments = nil }},
		{Changed, func(t *v1alpha1.DeploymentTarget) { t.Spec.Thumbprint = "BB" }},
	}
	now := &v1alpha1.DeploymentTarget{Spec: v1alpha1.DeploymentTargetSpec{Address: "web-1.example", Thumbprint: "AA", Environments: []v1alpha1.ObjectName{"production"}}}
	for _, c := range changes { // each in addition to those before it
		c.change(now)
		got := TargetOf(was, now, nil, run)
		if got.Availability != c.want || got.Host != "web-1.example:10933" || got.RetryDuration == 0 || len(got.Steps) != 1 {
			t.Errorf("it is %v, not %v: %+v", got.Availability, c.want, got)
		}
		if c.want == Untrusted && (got.Reason != "ThumbprintMismatch" || got.Message != "another machine") || c.want == Cordoned && got.Message != "the disk" {
			t.Errorf("the words are %s: %s", got.Reason, got.Message)
		}
	}
	if got := TargetOf(was, nil, nil, run); got.Availability != Deleted || got.Host != "" || len(got.Steps) != 1 {
		t.Errorf("one that is gone is %+v", got)
	}
}
