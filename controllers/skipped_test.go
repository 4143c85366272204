package controllers_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// A run that reaches none of its machines is no success, for those who wait for the run and for those who wait for its
// binding; and it is no failure that keeps the machines from converging when they are back.
func TestARunThatDeploysToNobodyIsSkipped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.target("web-1", w.impatient())
	w.project()
	w.release("1.0.0")
	w.reasonOf(&v1alpha1.DeploymentTarget{}, "web-1", v1alpha1.ConditionReady, v1alpha1.ReasonHealthy)
	m.Stop()
	w.wish("1.0.0")
	run := w.run("the run deploys to nobody", ended("1.0.0", v1alpha1.RunSkipped))
	if ready := meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionReady); ready.Status != "False" || ready.Reason != v1alpha1.ReasonUnavailable {
		t.Errorf("the run is Ready=%s/%s: %s", ready.Status, ready.Reason, ready.Message)
	}
	if b := w.readyWith(v1alpha1.ReasonNoTargetReachable); b.Status.LastSuccessfulRelease != "" || meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.ConditionReady) {
		t.Errorf("the binding takes it for a success: %+v", b.Status)
	}
	w.expectDid(m)

	m.Listen()
	edit(w, "web-1", &v1alpha1.DeploymentTarget{}, func(t *v1alpha1.DeploymentTarget) { t.Spec.Policy = "" }) // has it looked at now
	run = w.run("the release is rolled out when the machine is back", ended("1.0.0", v1alpha1.RunSucceeded))
	if run.Spec.Purpose != v1alpha1.PurposeRollout {
		t.Errorf("the first deployment of a release is a %s", run.Spec.Purpose)
	}
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.expectDid(m, versions("1.0.0")...)
}
