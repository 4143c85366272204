package binding

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// tell says what changed: a new reason is an event, the same one is not.
func (r *Reconciler) tell(b *v1alpha1.ReleaseBinding, d decision) {
	before := meta.FindStatusCondition(b.Status.Conditions, v1alpha1.ConditionReady)
	if before != nil && before.Reason == d.Reason && b.Status.CurrentRun == d.CurrentRun {
		return
	}
	kind := corev1.EventTypeNormal
	if d.State == stateHeld || d.State == stateStalled {
		kind = corev1.EventTypeWarning
	}
	r.Recorder.Eventf(b, nil, kind, d.Reason, "Reconcile", "%s", d.Message)
}
