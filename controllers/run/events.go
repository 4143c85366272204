package run

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// tell says how a run ended.
func (r *Reconciler) tell(run *v1alpha1.DeploymentRun) {
	kind := corev1.EventTypeWarning
	if run.Status.Phase == v1alpha1.RunSucceeded {
		kind = corev1.EventTypeNormal
	}
	for _, c := range run.Status.Conditions {
		if c.Type == v1alpha1.ConditionReady {
			r.Recorder.Eventf(run, nil, kind, c.Reason, "Run", "release %s to %s: %s", run.Spec.Release, run.Spec.Environment, c.Message)
		}
	}
}
