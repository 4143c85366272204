package controllers_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

func TestATargetThatWasAwayConvergesLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	swift := w.swiftly()
	a, b := w.target("web-1", swift), w.target("web-2", swift)
	b.Stop()
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.reasonOf(&v1alpha1.DeploymentTarget{}, "web-2", v1alpha1.ConditionReachable, v1alpha1.ReasonConnectionRefused)
	ready := w.readyWith(v1alpha1.ReasonUpToDate)
	if ready.Status.Targets.UpToDate != 1 || ready.Status.Targets.Unavailable != 1 {
		t.Errorf("%+v", ready.Status.Targets)
	}
	w.expectDid(a, versions("1.0.0")...)
	w.expectDid(b)

	b.Listen()
	w.run("the target converges", func(r *v1alpha1.DeploymentRun) bool {
		return r.Spec.Purpose == v1alpha1.PurposeConvergence && r.Status.Phase == v1alpha1.RunSucceeded && r.Status.Targets.Total == 1
	})
	ready = w.readyWith(v1alpha1.ReasonUpToDate)
	if ready.Status.Targets.UpToDate != 2 || ready.Status.Targets.Unavailable != 0 {
		t.Errorf("%+v", ready.Status.Targets)
	}
	w.expectDid(a, versions("1.0.0")...)
	w.expectDid(b, versions("1.0.0")...)
}

func TestATargetThatJoinsConvergesAndOneThatIsCordonedIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.target("web-1")
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)

	b := w.target("web-2")
	w.run("the new target converges", func(r *v1alpha1.DeploymentRun) bool {
		return r.Spec.Purpose == v1alpha1.PurposeConvergence && r.Status.Phase == v1alpha1.RunSucceeded && r.Status.Targets.Total == 1
	})
	w.expectDid(a, versions("1.0.0")...)
	w.expectDid(b, versions("1.0.0")...)

	edit(w, "web-2", &v1alpha1.DeploymentTarget{}, func(t *v1alpha1.DeploymentTarget) { t.Spec.Cordoned, t.Spec.CordonReason = true, "new disk" })
	w.release("1.1.0")
	w.wish("1.1.0")
	ready := w.readyWith(v1alpha1.ReasonUpToDate)
	if ready.Status.Targets.Cordoned != 1 || ready.Status.Targets.Unavailable != 0 {
		t.Errorf("the cordoned target is not counted as cordoned alone: %+v", ready.Status.Targets)
	}
	w.expectDid(a, versions("1.0.0", "1.1.0")...)
	w.expectDid(b, versions("1.0.0")...)

	edit(w, "web-2", &v1alpha1.DeploymentTarget{}, func(t *v1alpha1.DeploymentTarget) { t.Spec.Cordoned, t.Spec.CordonReason = false, "" })
	w.began(b, "1.1.0 web/smoke")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.expectDid(a, versions("1.0.0", "1.1.0")...)
	w.expectDid(b, versions("1.0.0", "1.1.0")...)
}

// Nothing begins on a target whose Secret is missing, so its status tells nothing of the run that failed.
func TestATargetOnWhichNothingCanBeginIsNotTriedForEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.target("web-1")
	w.secret()
	w.project(confidential())
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	if err := w.client.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "shop-db"}}); err != nil {
		t.Fatal(err)
	}
	b := w.target("web-2")
	w.readyWith(v1alpha1.ReasonTargetsFailed)
	w.looksAgain(v1alpha1.ReasonTargetsFailed)
	if all := w.runs(); len(all) != 2 {
		t.Errorf("%d runs were made, wanted the rollout and one try", len(all))
	}

	w.secret()
	c := w.target("web-3")
	w.run("another target converges alone", func(r *v1alpha1.DeploymentRun) bool {
		return r.Spec.Purpose == v1alpha1.PurposeConvergence && r.Status.Phase == v1alpha1.RunSucceeded && r.Status.Targets.Total == 1
	})
	w.readyWith(v1alpha1.ReasonTargetsFailed)
	w.expectDid(b)
	w.retry("it is back")
	w.readyWith(v1alpha1.ReasonUpToDate)
	for _, m := range []*fakeMachine{a, b, c} {
		w.expectDid(m, "1.0.0 migrate")
	}
}

func TestAnEnvironmentTellsWhatItHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.target("web-1")
	w.target("web-2")
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	e := &v1alpha1.Environment{}
	w.eventually("the environment counts its targets and names what is current", func() (bool, string) {
		if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "production"}, e); err != nil {
			return false, err.Error()
		}
		c := e.Status.Current
		return e.Status.Targets.Total == 2 && e.Status.Targets.Healthy == 2 && len(c) == 1 && c[0].Release == "1.0.0" && c[0].Targets == "2/2",
			fmt.Sprintf("%+v", e.Status)
	})
}
