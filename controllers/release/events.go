package release

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// announce sends an event if the reason differs from that of the earlier status.
func (r *Reconciler) announce(before *v1alpha1.Release, v verdict) {
	ready := meta.FindStatusCondition(before.Status.Conditions, v1alpha1.ConditionReady)
	if ready != nil && ready.Reason == v.Reason {
		return
	}
	kind := corev1.EventTypeNormal
	if v.Stalled {
		kind = corev1.EventTypeWarning
	}
	r.Recorder.Eventf(before, nil, kind, v.Reason, "Resolve", "%s", v.Message)
}
