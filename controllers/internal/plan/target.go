package plan

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
)

// TargetOf returns a target of a run's fixed set as it is now. now is nil if the target is gone; policy is nil if it
// names none.
func TargetOf(was v1alpha1.SliceTarget, now *v1alpha1.DeploymentTarget, policy *v1alpha1.TargetPolicy, run v1alpha1.DeploymentRunSpec) Target {
	t := Target{Name: was.Name, Steps: was.Steps, Availability: Deleted}
	if now == nil {
		return t
	}
	t.Availability, t.RetryDuration, t.Host = Available, policy.RetryDuration(), hostOf(now)
	switch {
	case now.Spec.Thumbprint != was.Thumbprint:
		t.Availability = Changed
	case !slices.Contains(now.Spec.Environments, run.Environment):
		t.Availability = Left
	case now.Spec.Cordoned:
		t.Availability, t.Reason, t.Message = Cordoned, v1alpha1.ReasonCordoned, now.Spec.CordonReason
	case now.Status.Health == v1alpha1.HealthUnavailable:
		t.Availability = Unavailable
		t.Reason, t.Message = readyReason(now)
	case now.Status.Health == v1alpha1.HealthUntrusted:
		t.Availability = Untrusted
		t.Reason, t.Message = readyReason(now)
	case desired.Full(now, run.Project, run.Environment):
		t.Availability = Full
		t.Message = fmt.Sprintf("it already has %d pairs of project and environment", desired.MaxInstalled)
	}
	return t
}

func readyReason(t *v1alpha1.DeploymentTarget) (reason, message string) {
	if c := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		return c.Reason, c.Message
	}
	return "", ""
}

// hostOf returns the address of a target; without the port if that is invalid.
func hostOf(t *v1alpha1.DeploymentTarget) string {
	address, err := t.Spec.HostPort()
	if err != nil {
		return t.Spec.Address
	}
	return address
}
