package run

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// announceEnd makes the event that tells how a run ended.
func (r *Reconciler) announceEnd(run *v1alpha1.DeploymentRun) {
	kind := corev1.EventTypeWarning
	if run.Status.Phase == v1alpha1.RunSucceeded {
		kind = corev1.EventTypeNormal
	}
	if ready := meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		r.Recorder.Eventf(run, nil, kind, ready.Reason, "Deploy", "release %s to %s: %s", run.Spec.Release, run.Spec.Environment, ready.Message)
	}
}
