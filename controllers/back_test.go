package controllers_test

import (
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// check asks for a health check of a target.
func (w *world) check(name, token string) {
	w.t.Helper()
	edit(w, name, &v1alpha1.DeploymentTarget{}, func(t *v1alpha1.DeploymentTarget) {
		if t.Annotations == nil {
			t.Annotations = map[string]string{}
		}
		t.Annotations[v1alpha1.AnnotationCheck] = token
	})
}

// A machine that came back is deployed to at its turn, whatever its last health check said.
func TestAMachineThatIsBackIsNotSkippedByItsLastHealthCheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.target("web-1"), w.target("web-2")
	w.project()
	w.release("1.0.0")
	w.release("2.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	b.Stop()
	w.check("web-2", "it was stopped")
	w.reasonOf(&v1alpha1.DeploymentTarget{}, "web-2", v1alpha1.ConditionReachable, v1alpha1.ReasonConnectionRefused)
	b.Listen()
	w.wish("2.0.0")
	done := w.run("the run ends", ended("2.0.0", v1alpha1.RunSucceeded))
	if done.Status.Targets.Succeeded != 2 || done.Status.Targets.Unreached != 0 {
		t.Errorf("it was deployed to %+v", done.Status.Targets)
	}
	w.expectDid(a, versions("1.0.0", "2.0.0")...)
	w.expectDid(b, versions("1.0.0", "2.0.0")...)
	w.reasonOf(&v1alpha1.DeploymentTarget{}, "web-2", v1alpha1.ConditionReady, v1alpha1.ReasonHealthy)
}

// One that stays away is skipped after the one try, which does not take its retry duration.
func TestAMachineThatStaysAwayIsTriedOnceAndSkipped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.target("web-1")
	b := w.target("web-2")
	w.project()
	w.release("1.0.0")
	w.release("2.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	b.Stop()
	w.check("web-2", "it was stopped")
	w.reasonOf(&v1alpha1.DeploymentTarget{}, "web-2", v1alpha1.ConditionReachable, v1alpha1.ReasonConnectionRefused)
	w.wish("2.0.0")
	done := w.run("the run ends", ended("2.0.0", v1alpha1.RunSucceeded))
	if done.Status.Targets.Succeeded != 1 || done.Status.Targets.Unreached != 1 {
		t.Errorf("it was deployed to %+v", done.Status.Targets)
	}
	for _, row := range w.results() {
		if row.Target == "web-2" && row.Phase == v1alpha1.StepSkipped {
			if message := row.Steps[0].Message; !strings.HasPrefix(message, "the target could not be reached: ConnectionRefused: ") {
				t.Errorf("it says %q", message)
			}
		}
	}
	w.expectDid(b, versions("1.0.0")...)
}

// Whoever has mended a machine has it checked, and sees when that is done.
func TestAPersonHasATargetChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.target("web-1")
	target := &v1alpha1.DeploymentTarget{}
	w.reasonOf(target, "web-1", v1alpha1.ConditionReady, v1alpha1.ReasonHealthy)
	before := target.Status.LastHealthCheck
	w.check("web-1", "1")
	w.eventually("the request is handled", func() (bool, string) {
		err := w.client.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "web-1"}, target)
		return err == nil && target.Status.LastHandledCheck == "1" && before.Before(target.Status.LastHealthCheck), fmt.Sprintf("%+v", target.Status)
	})
}
