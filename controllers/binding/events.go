package binding

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// announce sends an event if the reason or the current run differs from the earlier status.
func (r *Reconciler) announce(b *v1alpha1.ReleaseBinding, before *v1alpha1.ReleaseBindingStatus, d decision) {
	was := meta.FindStatusCondition(before.Conditions, v1alpha1.ConditionReady)
	if was != nil && was.Reason == d.Reason && before.CurrentRun == d.CurrentRun {
		return
	}
	kind := corev1.EventTypeNormal
	if d.State == stateHeld || d.State == stateStalled {
		kind = corev1.EventTypeWarning
	}
	r.Recorder.Eventf(b, nil, kind, d.Reason, "Deploy", "%s", d.Message)
}
