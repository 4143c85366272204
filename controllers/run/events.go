package run

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// The actions of the events of a run.
const (
	actionStart  = "Start"
	actionWait   = "Wait"
	actionFail   = "Fail"
	actionFinish = "Finish"
)

// maxWaits limits the events of one run about what it waits for.
const maxWaits = 8

// announce sends the events of a pass after its status is written: the start of the run, its first failure, its end, and
// what it waits for, once for each reason.
func (r *Reconciler) announce(before, run *v1alpha1.DeploymentRun) {
	is := &run.Status
	if before.Status.StartTime == nil && is.StartTime != nil {
		r.event(run, corev1.EventTypeNormal, v1alpha1.ReasonStarted, actionStart, "started; targets: %d", is.Targets.Total)
		r.Metrics.RunStarted(is.StartTime.Sub(run.CreationTimestamp.Time))
	}
	if len(before.Status.Failures) == 0 && len(is.Failures) > 0 {
		first := is.Failures[0]
		r.event(run, corev1.EventTypeWarning, v1alpha1.ReasonStepFailed, actionFail, "step %s failed on target %s: %s: %s", first.Step, first.Target, first.Reason, first.Message)
	}
	if is.Phase.IsTerminal() {
		r.announceEnd(run)
		return
	}
	r.announceWait(before, run)
}

// announceEnd sends the event that a run has ended.
func (r *Reconciler) announceEnd(run *v1alpha1.DeploymentRun) {
	r.Metrics.RunFinished(run.Status.Phase)
	kind := corev1.EventTypeWarning
	if run.Status.Phase == v1alpha1.RunSucceeded {
		kind = corev1.EventTypeNormal
	}
	if ready := meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		r.event(run, kind, ready.Reason, actionFinish, "%s", ready.Message)
	}
}

// announceWait sends an event about what a run waits for, if the reason is new and had no event yet.
func (r *Reconciler) announceWait(before, run *v1alpha1.DeploymentRun) {
	was := meta.FindStatusCondition(before.Status.Conditions, v1alpha1.ConditionReady)
	is := meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionReady)
	if is == nil || was != nil && was.Reason == is.Reason && stalled(before) == stalled(run) {
		return
	}
	switch is.Reason {
	case v1alpha1.ReasonRunning, v1alpha1.ReasonPreparing, v1alpha1.ReasonCancelled, v1alpha1.ReasonSuperseded:
		return // the run does not wait
	case v1alpha1.ReasonNamespaceBusy:
		return // many runs wait then, and for a short time
	}
	kind := corev1.EventTypeNormal
	if stalled(run) {
		kind = corev1.EventTypeWarning
	}
	if r.memory.mayAnnounce(run, kind+is.Reason) {
		r.event(run, kind, is.Reason, actionWait, "%s", is.Message)
	}
}

func stalled(run *v1alpha1.DeploymentRun) bool {
	c := meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionStalled)
	return c != nil && c.Status == metav1.ConditionTrue
}

// event sends an event of a run. The recorder limits the length of its note.
func (r *Reconciler) event(run *v1alpha1.DeploymentRun, kind, reason, action, format string, args ...any) {
	r.Recorder.Eventf(run, nil, kind, reason, action, "release %s to %s: "+format, append([]any{run.Spec.Release, run.Spec.Environment}, args...)...)
}
