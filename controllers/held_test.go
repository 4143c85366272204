package controllers_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// deleteRuns deletes the runs that f accepts, as somebody who tidies up, and waits until they are gone.
func (w *world) deleteRuns(f func(*v1alpha1.DeploymentRun) bool) {
	w.t.Helper()
	left := func() []string {
		var names []string
		for _, r := range w.runs() {
			if f(&r) {
				names = append(names, r.Name)
			}
		}
		return names
	}
	for _, name := range left() {
		run := &v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}}
		if err := client.IgnoreNotFound(w.client.Delete(w.t.Context(), run)); err != nil {
			w.t.Fatal(err)
		}
	}
	w.eventually("the deleted runs are gone", func() (bool, string) {
		names := left()
		return len(names) == 0, strings.Join(names, ", ")
	})
}

// A failed rollout holds its binding, whether its run is still there or not.
func TestAFailedRunThatIsDeletedStillHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.target("web-1")
	w.project()
	w.release("1.0.0")
	w.release("2.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	m.fails("web/smoke", 1)
	w.wish("2.0.0")
	w.readyWith(v1alpha1.ReasonRunFailed)

	w.deleteRuns(ended("2.0.0", v1alpha1.RunFailed))
	held := w.looksAgain(v1alpha1.ReasonRunFailed)
	if !meta.IsStatusConditionTrue(held.Status.Conditions, v1alpha1.ConditionHeld) {
		t.Errorf("the binding is not held: %+v", held.Status.Conditions)
	}
	w.restart()
	w.looksAgain(v1alpha1.ReasonRunFailed)
	w.expectDid(m, versions("1.0.0", "2.0.0")...)

	m.fails("web/smoke", 0)
	w.retry("it is mended")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.expectDid(m, versions("1.0.0", "2.0.0", "2.0.0")...)
}

// Going back after a failure is another wish, and so is going forth again.
func TestGoingBackAndForthRunsAFailedReleaseAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.target("web-1")
	w.project()
	w.release("1.0.0")
	w.release("2.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	m.fails("web/smoke", 1)
	w.wish("2.0.0")
	w.readyWith(v1alpha1.ReasonRunFailed)
	w.deleteRuns(ended("2.0.0", v1alpha1.RunFailed))
	m.fails("web/smoke", 0)
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.deleteRuns(func(*v1alpha1.DeploymentRun) bool { return true })
	w.wish("2.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.expectDid(m, versions("1.0.0", "2.0.0", "1.0.0", "2.0.0")...)
}

// Deleting a run that succeeded changes nothing: nothing is deployed again, and who joins converges.
func TestARunThatSucceededCanBeDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.target("web-1")
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.deleteRuns(func(*v1alpha1.DeploymentRun) bool { return true })
	w.looksAgain(v1alpha1.ReasonUpToDate)
	if runs := w.runs(); len(runs) != 0 {
		t.Errorf("a run was made: %s", describe(&runs[0]))
	}
	b := w.target("web-2")
	w.run("the new target converges", func(r *v1alpha1.DeploymentRun) bool {
		return r.Spec.Purpose == v1alpha1.PurposeConvergence && r.Status.Phase == v1alpha1.RunSucceeded && r.Status.Targets.Total == 1
	})
	w.expectDid(a, versions("1.0.0")...)
	w.expectDid(b, versions("1.0.0")...)
}

// Targets that failed to converge are left out, also those on which nothing could begin, and also when the runs in which
// they failed are gone.
func TestTargetsThatFailedToConvergeStayLeftOutWithoutTheirRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.target("web-1")
	w.secret()
	w.project(confidential())
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	failing := w.machine("web-2")
	failing.fails("migrate", 1)
	w.register(failing)
	w.readyWith(v1alpha1.ReasonTargetsFailed)
	if err := w.client.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "shop-db"}}); err != nil {
		t.Fatal(err)
	}
	refused := w.target("web-3")
	w.eventually("web-2 and web-3 are left out", func() (bool, string) {
		b := w.binding()
		return b.Status.CurrentRun == "" && b.Status.Targets.Failed == 2, fmt.Sprintf("%+v", b.Status)
	})
	made := len(w.runs())
	w.deleteRuns(func(*v1alpha1.DeploymentRun) bool { return true })
	w.looksAgain(v1alpha1.ReasonTargetsFailed)
	if runs := w.runs(); len(runs) != 0 {
		t.Errorf("they are tried again: %s", describe(&runs[0]))
	}
	if made != 3 {
		t.Errorf("%d runs were made, wanted the rollout and one try for each", made)
	}
	w.secret()
	failing.fails("migrate", 0)
	w.retry("again")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.expectDid(refused, "1.0.0 migrate")
	w.expectDid(failing, "1.0.0 migrate", "1.0.0 migrate")
}

// A run that somebody else made under the name of the binding's next run is told of.
func TestARunThatHasTheNameOfTheNextOneIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.target("web-1")
	w.project()
	w.release("1.0.0")
	suspended := &v1alpha1.ReleaseBinding{ObjectMeta: metav1.ObjectMeta{Name: "shop-production"},
		Spec: v1alpha1.ReleaseBindingSpec{Project: "shop", Environment: "production", Release: "1.0.0", Suspend: true}}
	w.create(suspended)
	b := w.readyWith(v1alpha1.ReasonSuspended)
	name := nextRun(b, b.Status.Record.Hash)
	w.person(name, "9.9.9")
	edit(w, "shop-production", &v1alpha1.ReleaseBinding{}, func(b *v1alpha1.ReleaseBinding) { b.Spec.Suspend = false })
	told := w.reasonOf(&v1alpha1.ReleaseBinding{}, "shop-production", v1alpha1.ConditionStalled, v1alpha1.ReasonRunNameTaken)
	if !strings.Contains(told.Message, name) || !strings.Contains(told.Message, "delete it") {
		t.Errorf("the message names no run or no remedy: %s", told.Message)
	}
	w.deleteRuns(func(r *v1alpha1.DeploymentRun) bool { return r.Name == name && len(r.OwnerReferences) == 0 })
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.expectDid(m, versions("1.0.0")...)
}
