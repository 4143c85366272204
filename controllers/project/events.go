package project

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// tell says what changed: a new reason or message is an event, the same one is not.
func (r *Reconciler) tell(project *v1alpha1.Project, v verdict) {
	before := meta.FindStatusCondition(project.Status.Conditions, v1alpha1.ConditionReady)
	if before != nil && before.Reason == v.Reason && before.Message == v.Message {
		return
	}
	kind := corev1.EventTypeNormal
	if v.Stalled {
		kind = corev1.EventTypeWarning
	}
	r.Recorder.Eventf(project, nil, kind, v.Reason, "Judge", "%s", v.Message)
}
