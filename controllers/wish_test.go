package controllers_test

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/scope"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
)

func seconds(n int) *metav1.Duration {
	return &metav1.Duration{Duration: time.Duration(n) * time.Second}
}

func greeting(text string) func(*v1alpha1.Project) {
	return func(p *v1alpha1.Project) {
		p.Spec.Variables = []v1alpha1.Variable{{Name: "greeting", Values: []v1alpha1.VariableValue{{Value: &text}}}}
	}
}

func TestGoingBackRunsAgainAndNothingChangedDoesNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.target("web-1")
	w.project(greeting("hello"))
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)

	edit(w, "shop", &v1alpha1.Project{}, greeting("good day"))
	w.release("1.1.0")
	w.wish("1.1.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.expectDid(m, versions("1.0.0", "1.1.0")...)
	if first, last := m.plan(0).Variables["greeting"].Text, m.plan(3).Variables["greeting"].Text; first != "hello" || last != "good day" {
		t.Errorf("the greeting was %q and became %q", first, last)
	}

	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.expectDid(m, versions("1.0.0", "1.1.0", "1.0.0")...)
	if again := m.plan(4).Variables["greeting"].Text; again != "hello" {
		t.Errorf("release 1.0.0 was frozen with the greeting hello and ran with %q", again)
	}

	edit(w, "shop-1.0.0", &v1alpha1.Release{}, func(r *v1alpha1.Release) { metav1.SetMetaDataLabel(&r.ObjectMeta, "applied", "again") })
	w.restart()
	w.looksAgain(v1alpha1.ReasonUpToDate)
	w.expectDid(m, versions("1.0.0", "1.1.0", "1.0.0")...)
	if runs := w.runs(); len(runs) != 3 {
		t.Errorf("%d runs, wanted 3", len(runs))
	}
}

func TestAReleaseFreezesTheProjectThatCameWithIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.project(greeting("one"))
	w.reasonOf(&v1alpha1.Project{}, "shop", v1alpha1.ConditionReady, v1alpha1.ReasonValid)

	// One commit, the project first: the release follows before anybody has judged the project.
	edit(w, "shop", &v1alpha1.Project{}, greeting("two"))
	w.release("2.0.0")
	if got := w.frozenGreeting("2.0.0"); got != "two" {
		t.Errorf("the release froze the greeting %q", got)
	}

	// One commit, the release first: it names the process that is to come.
	coming := &v1alpha1.Project{}
	if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "shop"}, coming); err != nil {
		t.Fatal(err)
	}
	greeting("three")(coming)
	w.release("3.0.0", func(r *v1alpha1.Release) { r.Spec.ProcessDigest = scope.Digest(coming.Spec) })
	w.reasonOf(&v1alpha1.Release{}, "shop-3.0.0", v1alpha1.ConditionReconciling, v1alpha1.ReasonProcessDigestMismatch)
	edit(w, "shop", &v1alpha1.Project{}, greeting("three"))
	if got := w.frozenGreeting("3.0.0"); got != "three" {
		t.Errorf("the release froze the greeting %q", got)
	}
}

// frozenGreeting is the variable as a release froze it.
func (w *world) frozenGreeting(version string) string {
	w.t.Helper()
	release := &v1alpha1.Release{}
	w.reasonOf(release, "shop-"+version, v1alpha1.ConditionReady, v1alpha1.ReasonResolved)
	return *w.frozen(release).Variables[0].Values[0].Value
}

// frozen is the process that a release froze.
func (w *world) frozen(release *v1alpha1.Release) *v1alpha1.ProjectSpec {
	w.t.Helper()
	process, err := snapshot.Read(w.t.Context(), w.client, release)
	if err != nil {
		w.t.Fatal(err)
	}
	return process
}

func TestAChangedWishSupersedesAndGoingBackTakesOnlyWhatWasTouched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b, c := w.target("web-1"), w.target("web-2"), w.target("web-3")
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)

	letGo := a.holds("web/install")
	defer letGo()
	w.release("2.0.0")
	w.wish("2.0.0")
	w.began(a, "2.0.0 web/install")
	w.wish("1.0.0")
	w.run("the run is being superseded while a step is held", func(r *v1alpha1.DeploymentRun) bool {
		is := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionReconciling)
		return r.Spec.Release == "2.0.0" && is != nil && is.Reason == v1alpha1.ReasonSuperseded
	})
	letGo()
	w.run("the run ends as superseded", ended("2.0.0", v1alpha1.RunSuperseded))
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.expectDid(a, versions("1.0.0", "2.0.0", "1.0.0")...)
	w.expectDid(b, versions("1.0.0")...)
	w.expectDid(c, versions("1.0.0")...)
	if runs := w.runs(); len(runs) != 3 {
		t.Errorf("%d runs, wanted 3", len(runs))
	}
}

func TestAFailedRolloutStaysUntilItIsAskedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.target("web-1"), w.target("web-2")
	w.project()
	w.release("1.0.0")
	a.fails("web/smoke", 3)
	w.wish("1.0.0")
	held := w.readyWith(v1alpha1.ReasonRunFailed)
	if !meta.IsStatusConditionTrue(held.Status.Conditions, v1alpha1.ConditionStalled) || !meta.IsStatusConditionTrue(held.Status.Conditions, v1alpha1.ConditionHeld) {
		t.Errorf("the binding is not Stalled and Held: %+v", held.Status.Conditions)
	}
	failed := w.run("the run failed", ended("1.0.0", v1alpha1.RunFailed))
	if len(failed.Status.Failures) != 1 || failed.Status.Failures[0].ExitCode == nil || *failed.Status.Failures[0].ExitCode != 3 ||
		failed.Status.Failures[0].Message != "the smoke test did not pass" {
		t.Errorf("its failures do not say why: %+v", failed.Status.Failures)
	}
	if log, want := failed.Status.Failures[0].Log, "/logs/"+w.namespace+"/"+failed.Name+"/web-1/web/smoke"; log != want {
		t.Errorf("where to read on is %q, wanted %q", log, want)
	}

	a.fails("web/smoke", 0)
	late := w.target("web-3")
	w.reasonOf(&v1alpha1.DeploymentTarget{}, "web-3", v1alpha1.ConditionReady, v1alpha1.ReasonHealthy)
	w.restart()
	w.looksAgain(v1alpha1.ReasonRunFailed)
	w.expectDid(a, versions("1.0.0")...)
	w.expectDid(b)
	w.expectDid(late)

	w.retry("once more")
	again := w.readyWith(v1alpha1.ReasonUpToDate)
	if again.Status.LastHandledRetry != "once more" {
		t.Errorf("lastHandledRetry is %q", again.Status.LastHandledRetry)
	}
	w.expectDid(a, versions("1.0.0", "1.0.0")...)
	w.expectDid(b, versions("1.0.0")...)
	w.expectDid(late, versions("1.0.0")...)
}

func TestEverythingDeletedAndAppliedAgainDoesNotDeploy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cluster.RequireGarbageCollection(t)
	a, b := w.target("web-1"), w.target("web-2")
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.deleteEverything()

	w.operator() // makes the environment again
	w.register(a)
	w.register(b)
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	if runs := w.runs(); len(runs) != 0 {
		t.Errorf("%d runs, wanted none: %s", len(runs), describe(&runs[0]))
	}
	w.expectDid(a, versions("1.0.0")...)
	w.expectDid(b, versions("1.0.0")...)
}

// deleteEverything deletes all that people wrote, in the foreground, and waits until all that the operator made went
// with it.
func (w *world) deleteEverything() {
	w.t.Helper()
	written := []client.Object{&v1alpha1.ReleaseBinding{}, &v1alpha1.Release{}, &v1alpha1.Project{}, &v1alpha1.DeploymentTarget{}, &v1alpha1.Environment{}}
	for _, o := range written {
		if err := w.client.DeleteAllOf(w.t.Context(), o, client.InNamespace(w.namespace), client.PropagationPolicy(metav1.DeletePropagationForeground)); err != nil {
			w.t.Fatal(err)
		}
	}
	w.eventually("everything is gone", func() (bool, string) {
		for _, l := range []client.ObjectList{&v1alpha1.ReleaseBindingList{}, &v1alpha1.ReleaseList{}, &v1alpha1.ProjectList{}, &v1alpha1.DeploymentTargetList{},
			&v1alpha1.EnvironmentList{}, &v1alpha1.DeploymentRunList{}, &v1alpha1.DeploymentRunSliceList{}, &appsv1.ControllerRevisionList{}} {
			if err := w.client.List(w.t.Context(), l, client.InNamespace(w.namespace)); err != nil {
				return false, err.Error()
			}
			if n := meta.LenList(l); n > 0 {
				return false, l.GetObjectKind().GroupVersionKind().Kind + " are left"
			}
		}
		return true, ""
	})
}
