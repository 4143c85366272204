package release

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// tell says what changed: a new reason is an event, the same one is not.
func (r *Reconciler) tell(release *v1alpha1.Release, v verdict) {
	before := meta.FindStatusCondition(release.Status.Conditions, v1alpha1.ConditionReady)
	if before != nil && before.Reason == v.Reason {
		return
	}
	kind := corev1.EventTypeNormal
	if v.Stalled {
		kind = corev1.EventTypeWarning
	}
	r.Recorder.Eventf(release, nil, kind, v.Reason, "Resolve", "%s", v.Message)
}
