package controllers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

func TestACancelEndsTheScriptAndHoldsTheBinding(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.target("web-1"), w.target("web-2")
	defer a.holds("web/install")()
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.began(a, "1.0.0 web/install")
	going := w.runs()[0].Name
	edit(w, going, &v1alpha1.DeploymentRun{}, func(r *v1alpha1.DeploymentRun) { r.Spec.State = v1alpha1.RunStateCancel })
	w.run("the run is cancelled", ended("1.0.0", v1alpha1.RunCancelled))
	held := w.readyWith(v1alpha1.ReasonRunCancelled)
	for _, kind := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionHeld} {
		if !meta.IsStatusConditionTrue(held.Status.Conditions, kind) {
			t.Errorf("the binding is not %s: %+v", kind, held.Status.Conditions)
		}
	}
	w.expectDid(a, "1.0.0 web/install")
	w.expectDid(b)
	w.looksAgain(v1alpha1.ReasonRunCancelled)
	if n := len(w.runs()); n != 1 {
		t.Errorf("%d runs after a cancel, wanted 1", n)
	}
}

func TestARunThatIsDeletedWhileItRunsIsLetGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.target("web-1")
	defer m.holds("web/install")()
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.began(m, "1.0.0 web/install")
	edit(w, "shop-production", &v1alpha1.ReleaseBinding{}, func(b *v1alpha1.ReleaseBinding) { b.Spec.Suspend = true })
	going := w.runs()[0]
	if err := w.client.Delete(t.Context(), &going); err != nil {
		t.Fatal(err)
	}
	w.eventually("the run is gone", func() (bool, string) {
		runs := w.runs()
		if len(runs) == 0 {
			return true, ""
		}
		return false, describe(&runs[0])
	})
	if calls := m.Calls(); !slices.Contains(calls, "CancelScript") {
		t.Errorf("the script was not cancelled: %v", calls)
	}
	w.readyWith(v1alpha1.ReasonRunCancelled) // to delete a run that goes on is to cancel it
}

func TestASuspendedBindingLeavesTheEnvironmentToPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.target("web-1")
	w.project()
	w.release("1.0.0")
	w.release("2.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)

	w.person("try", "2.0.0")
	bound := w.reasonOf(&v1alpha1.DeploymentRun{}, "try", v1alpha1.ConditionStalled, v1alpha1.ReasonBound)
	if !strings.Contains(bound.Message, "shop-production") || !strings.Contains(bound.Message, "suspend") {
		t.Errorf("the message names no binding or no remedy: %s", bound.Message)
	}
	edit(w, "shop-production", &v1alpha1.ReleaseBinding{}, func(b *v1alpha1.ReleaseBinding) { b.Spec.Suspend = true })
	w.reasonOf(&v1alpha1.DeploymentRun{}, "try", v1alpha1.ConditionReady, v1alpha1.ReasonSucceeded)
	held := w.readyWith(v1alpha1.ReasonSuspended)
	if !meta.IsStatusConditionTrue(held.Status.Conditions, v1alpha1.ConditionHeld) {
		t.Errorf("a suspended binding with something to do is not Held: %+v", held.Status.Conditions)
	}
	w.expectDid(m, versions("1.0.0", "2.0.0")...)

	edit(w, "shop-production", &v1alpha1.ReleaseBinding{}, func(b *v1alpha1.ReleaseBinding) { b.Spec.Suspend = false })
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.expectDid(m, versions("1.0.0", "2.0.0", "1.0.0")...)
}

func TestARunThatCannotBeginDoesNotKeepTheBindingFromDeploying(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.target("web-1")
	w.project()
	w.release("1.0.0")
	w.release("2.0.0")
	w.release("3.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.person("bound", "2.0.0")
	w.reasonOf(&v1alpha1.DeploymentRun{}, "bound", v1alpha1.ConditionStalled, v1alpha1.ReasonBound)
	w.person("absent", "9.9.9")
	w.reasonOf(&v1alpha1.DeploymentRun{}, "absent", v1alpha1.ConditionReady, v1alpha1.ReasonReleaseNotFound)
	w.wish("3.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.expectDid(m, versions("1.0.0", "3.0.0")...)
}

func TestARunThatHasNotBegunWaitsWhileItsBindingIsSuspended(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.target("web-1"), w.target("web-2")
	letGo := a.holds("web/install")
	defer letGo()
	w.project()
	w.release("1.0.0")
	w.person("first", "1.0.0", func(r *v1alpha1.DeploymentRun) {
		r.Spec.Targets = &v1alpha1.RunTargets{Include: []v1alpha1.ObjectName{"web-1"}}
	})
	w.began(a, "1.0.0 web/install")
	w.wish("1.0.0")
	queued := w.run("the binding's run is queued", func(r *v1alpha1.DeploymentRun) bool { return r.Name != "first" && r.Status.Phase == v1alpha1.RunQueued })
	edit(w, "shop-production", &v1alpha1.ReleaseBinding{}, func(b *v1alpha1.ReleaseBinding) { b.Spec.Suspend = true })
	held := w.readyWith(v1alpha1.ReasonSuspended)
	if !meta.IsStatusConditionTrue(held.Status.Conditions, v1alpha1.ConditionHeld) {
		t.Errorf("a suspended binding with something to do is not Held: %+v", held.Status.Conditions)
	}
	letGo()
	w.reasonOf(&v1alpha1.DeploymentRun{}, "first", v1alpha1.ConditionReady, v1alpha1.ReasonSucceeded)
	waiting := w.reasonOf(&v1alpha1.DeploymentRun{}, queued.Name, v1alpha1.ConditionReconciling, v1alpha1.ReasonSuspended)
	if !strings.Contains(waiting.Message, "shop-production") || !strings.Contains(waiting.Message, "spec.suspend") {
		t.Errorf("the message names no binding or no remedy: %s", waiting.Message)
	}
	w.expectDid(b)
	edit(w, "shop-production", &v1alpha1.ReleaseBinding{}, func(b *v1alpha1.ReleaseBinding) { b.Spec.Suspend = false })
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.expectDid(a, versions("1.0.0")...)
	w.expectDid(b, versions("1.0.0")...)
}

func TestPeoplesRunsQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.target("web-1"), w.target("web-2")
	letGo := a.holds("web/install")
	defer letGo()
	w.project()
	w.release("1.0.0")
	w.release("2.0.0")
	only := func(name v1alpha1.ObjectName) func(*v1alpha1.DeploymentRun) {
		return func(r *v1alpha1.DeploymentRun) {
			r.Spec.Targets = &v1alpha1.RunTargets{Include: []v1alpha1.ObjectName{name}}
		}
	}
	w.person("first", "1.0.0", only("web-1"))
	w.began(a, "1.0.0 web/install")
	w.person("second", "2.0.0", only("web-2"))
	w.person("third", "2.0.0", only("web-9"))
	queued := w.reasonOf(&v1alpha1.DeploymentRun{}, "second", v1alpha1.ConditionReconciling, v1alpha1.ReasonQueued)
	if !strings.Contains(queued.Message, "first") {
		t.Errorf("the message does not say behind whom: %s", queued.Message)
	}
	w.expectDid(b)
	letGo()
	w.reasonOf(&v1alpha1.DeploymentRun{}, "first", v1alpha1.ConditionReady, v1alpha1.ReasonSucceeded)
	w.reasonOf(&v1alpha1.DeploymentRun{}, "second", v1alpha1.ConditionReady, v1alpha1.ReasonSucceeded)
	wrong := w.reasonOf(&v1alpha1.DeploymentRun{}, "third", v1alpha1.ConditionStalled, v1alpha1.ReasonTargetNotFound)
	if !strings.Contains(wrong.Message, "web-9") {
		t.Errorf("the message does not name the target: %s", wrong.Message)
	}
	w.expectDid(a, versions("1.0.0")...)
	w.expectDid(b, versions("2.0.0")...)
}

func TestOfTwoBindingsForATargetTheOlderActs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cluster.RequireGarbageCollection(t)
	m := w.target("web-1")
	w.project()
	w.release("1.0.0")
	w.release("2.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.create(&v1alpha1.ReleaseBinding{ObjectMeta: metav1.ObjectMeta{Name: "younger"},
		Spec: v1alpha1.ReleaseBindingSpec{Project: "shop", Environment: "production", Release: "2.0.0"}})
	stalled := w.reasonOf(&v1alpha1.ReleaseBinding{}, "younger", v1alpha1.ConditionStalled, v1alpha1.ReasonOverlaps)
	if !strings.Contains(stalled.Message, "shop-production") {
		t.Errorf("the message does not name the other: %s", stalled.Message)
	}
	w.expectDid(m, versions("1.0.0")...)
	if err := w.client.Delete(t.Context(), w.binding()); err != nil {
		t.Fatal(err)
	}
	w.reasonOf(&v1alpha1.ReleaseBinding{}, "younger", v1alpha1.ConditionReady, v1alpha1.ReasonUpToDate)
	w.expectDid(m, versions("1.0.0", "2.0.0")...)
}

func TestABindingWithoutTargetsIsStalledUnlessTheProjectAllowsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.operator() // makes the environment
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonNoTargets)
	if b := w.binding(); !meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.ConditionStalled) {
		t.Errorf("%+v", b.Status.Conditions)
	}
	edit(w, "shop", &v1alpha1.Project{}, func(p *v1alpha1.Project) { p.Spec.Steps[0].Roles = []v1alpha1.Role{"wbe"} })
	w.release("1.0.1")
	w.wish("1.0.1")
	w.target("web-1")
	w.eventually("the binding names the roles", func() (bool, string) {
		c := ready(w.binding())
		return c.Reason == v1alpha1.ReasonNoTargets && strings.Contains(c.Message, "the roles wbe, and the targets have web"), c.Message
	})
	edit(w, "shop", &v1alpha1.Project{}, func(p *v1alpha1.Project) { p.Spec.Settings.NoTargets = v1alpha1.NoTargetsSucceed })
	w.release("1.1.0")
	w.wish("1.1.0")
	b := w.readyWith(v1alpha1.ReasonNoTargets)
	w.eventually("the binding is Ready", func() (bool, string) {
		b = w.binding()
		return meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.ConditionReady), "not yet"
	})
	if n := len(w.runs()); n != 0 {
		t.Errorf("%d runs for nobody", n)
	}
}

func TestOldRunsArePruned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cluster.RequireGarbageCollection(t)
	m := w.target("web-1")
	w.project(func(p *v1alpha1.Project) { p.Spec.History.Runs = 1 })
	for _, version := range []v1alpha1.Version{"1.0.0", "2.0.0"} {
		w.release(version)
		w.wish(version)
		w.readyWith(v1alpha1.ReasonUpToDate)
	}
	w.onlyRuns("2.0.0")
	m.fails("web/smoke", 1)
	for _, version := range []v1alpha1.Version{"3.0.0", "4.0.0"} {
		w.release(version)
		w.wish(version)
		w.readyWith(v1alpha1.ReasonRunFailed)
	}
	w.onlyRuns("2.0.0", "4.0.0") // the last success, and the newest
	w.eventually("the output of a run that was pruned goes with it", func() (bool, string) {
		n := w.logged("of 1.0.0")
		return n == 0, fmt.Sprintf("it is there %d times", n)
	})
	var releases v1alpha1.ReleaseList
	if err := w.client.List(t.Context(), &releases, client.InNamespace(w.namespace)); err != nil {
		t.Fatal(err)
	}
	if len(releases.Items) != 4 {
		t.Errorf("%d releases, wanted 4: a release is never deleted", len(releases.Items))
	}
}

// onlyRuns waits until the runs that are there are of these releases.
func (w *world) onlyRuns(releases ...string) {
	w.t.Helper()
	w.eventually("the runs are of "+strings.Join(releases, ", "), func() (bool, string) {
		var all []string
		for _, r := range w.runs() {
			all = append(all, string(r.Spec.Release))
		}
		slices.Sort(all)
		return slices.Equal(all, releases), strings.Join(all, ", ")
	})
}
