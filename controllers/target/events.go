package target

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// announce sends an event if the reason of the target's condition Ready changed, except when a new target becomes healthy.
func (r *Reconciler) announce(before, after *v1alpha1.DeploymentTarget) {
	was := meta.FindStatusCondition(before.Status.Conditions, v1alpha1.ConditionReady)
	is := meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionReady)
	if stalled := meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionStalled); stalled != nil && stalled.Reason == v1alpha1.ReasonEnvironmentNotFound &&
		!meta.IsStatusConditionTrue(before.Status.Conditions, v1alpha1.ConditionStalled) {
		r.Recorder.Eventf(after, nil, corev1.EventTypeWarning, stalled.Reason, "CheckHealth", "%s", stalled.Message)
	}
	if is == nil || is.Reason == v1alpha1.ReasonProgressing || was != nil && was.Reason == is.Reason {
		return
	}
	if is.Reason == v1alpha1.ReasonHealthy && (was == nil || was.Reason == v1alpha1.ReasonProgressing) {
		return
	}
	kind := corev1.EventTypeWarning
	if is.Status == "True" {
		kind = corev1.EventTypeNormal
	}
	r.Recorder.Eventf(after, nil, kind, is.Reason, "CheckHealth", "%s", is.Message)
}
