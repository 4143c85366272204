package project

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// announce sends an event if the reason or the message differs from that of the earlier status.
func (r *Reconciler) announce(before *v1alpha1.Project, v verdict) {
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
