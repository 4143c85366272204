package project

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// tell says what changed since the status was as before: a new reason or message is an event, the same one is not.
func (r *Reconciler) tell(before *v1alpha1.Project, v verdict) {
	ready := meta.FindStatusCondition(before.Status.Conditions, v1alpha1.ConditionReady)
	if ready != nil && ready.Reason == v.Reason && ready.Message == v.Message {
		return
	}
	kind := corev1.EventTypeNormal
	if v.Stalled {
		kind = corev1.EventTypeWarning
	}
	r.Recorder.Eventf(before, nil, kind, v.Reason, "Validate", "%s", v.Message)
}
