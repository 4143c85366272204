package controllers_test

import (
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
)

// impatient is a policy that gives up soon and looks rarely, so that a machine that goes away is not noticed before its turn.
func (w *world) impatient() func(*v1alpha1.DeploymentTarget) {
	w.t.Helper()
	w.create(&v1alpha1.TargetPolicy{ObjectMeta: metav1.ObjectMeta{Name: "impatient"}, Spec: v1alpha1.TargetPolicySpec{
		Connection: &v1alpha1.Connection{ConnectTimeout: seconds(2), RetryDuration: seconds(1)}}})
	return func(t *v1alpha1.DeploymentTarget) { t.Spec.Policy = "impatient" }
}

func TestAMachineThatGoesAwayBeforeItsTurnIsSkippedOrFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	policy := w.impatient()
	a, b := w.target("web-1", policy), w.target("web-2", policy)
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	edit(w, "shop", &v1alpha1.Project{}, func(p *v1alpha1.Project) { p.Spec.Settings.UnavailableTargets = v1alpha1.UnavailableFail })
	w.release("2.0.0")
	w.release("3.0.0")

	b.Stop()
	w.wish("2.0.0")
	w.readyWith(v1alpha1.ReasonRunFailed)
	failed := w.run("the run failed", ended("2.0.0", v1alpha1.RunFailed))
	if f := failed.Status.Failures; len(f) != 1 || f[0].Target != "web-2" || f[0].Log != "" || f[0].Reason != v1alpha1.ReasonUnavailable ||
		!strings.HasPrefix(f[0].Message, "the target could not be reached within 1s: ConnectionRefused: ") {
		t.Errorf("its failures do not say why: %+v", f)
	}
	w.expectInstalled("web-1", "2.0.0", v1alpha1.InstalledSucceeded)
	w.expectInstalled("web-2", "1.0.0", v1alpha1.InstalledSucceeded) // nothing was sent to it
	w.wish("1.0.0")                                                  // whose project says Skip
	ready := w.readyWith(v1alpha1.ReasonUpToDate)
	if ready.Status.Targets.Unavailable != 1 {
		t.Errorf("%+v", ready.Status.Targets)
	}
	w.expectDid(a, versions("1.0.0", "2.0.0", "1.0.0")...)
	w.expectDid(b, versions("1.0.0")...)
}

func TestAMachineThatStopsTrustingUsFailsTheRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.target("web-1", w.impatient())
	w.project()
	w.reasonOf(&v1alpha1.DeploymentTarget{}, "web-1", v1alpha1.ConditionReady, v1alpha1.ReasonHealthy)
	m.Trust(halibut.Thumbprint(strings.Repeat("A", 40)))
	w.release("1.0.0")
	w.wish("1.0.0")
	failed := w.run("the run failed", ended("1.0.0", v1alpha1.RunFailed))
	if f := failed.Status.Failures; len(f) != 1 || f[0].Reason != v1alpha1.ReasonOperatorNotTrusted ||
		!strings.HasPrefix(f[0].Message, "the target is not trusted: OperatorNotTrusted: ") {
		t.Errorf("its failures do not say why: %+v", f)
	}
	w.expectDid(m)
	w.reasonOf(&v1alpha1.DeploymentTarget{}, "web-1", v1alpha1.ConditionReady, v1alpha1.ReasonOperatorNotTrusted)
}

func TestATargetThatIsDeletedOrRepinnedIsNoLongerTheRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b, c := w.target("web-1"), w.target("web-2"), w.target("web-3")
	defer a.holds("web/install")()
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.began(a, "1.0.0 web/install")
	edit(w, "web-2", &v1alpha1.DeploymentTarget{}, func(t *v1alpha1.DeploymentTarget) {
		t.Spec.Thumbprint = "sha256:" + strings.Repeat("0", 64)
	})
	if err := w.client.Delete(t.Context(), &v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "web-1"}}); err != nil {
		t.Fatal(err)
	}
	w.run("the run goes on without them", ended("1.0.0", v1alpha1.RunSucceeded))
	w.expectDid(b)
	w.expectDid(c, versions("1.0.0")...)
	reasons := map[string]string{}
	for _, row := range w.results() {
		reasons[row.Target] = row.Reason
	}
	if reasons["web-1"] != v1alpha1.ReasonTargetDeleted || reasons["web-2"] != v1alpha1.ReasonTargetChanged {
		t.Errorf("the rows do not say what became of the targets: %v", reasons)
	}
}

// results are the rows of all slices.
func (w *world) results() []v1alpha1.TargetResult {
	w.t.Helper()
	var list v1alpha1.DeploymentRunSliceList
	if err := w.client.List(w.t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
		w.t.Fatal(err)
	}
	var rows []v1alpha1.TargetResult
	for _, s := range list.Items {
		rows = append(rows, s.Status.Results...)
	}
	return rows
}

func TestANamespaceWithARunInItGoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cluster.RequireGarbageCollection(t)
	m := w.target("web-1")
	defer m.holds("web/install")()
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.began(m, "1.0.0 web/install")
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
	if err := w.client.Delete(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	w.eventually("the namespace is gone", func() (bool, string) {
		err := w.client.Get(w.t.Context(), client.ObjectKeyFromObject(ns), ns)
		var left []string
		for _, c := range ns.Status.Conditions {
			left = append(left, c.Message)
		}
		return client.IgnoreNotFound(err) == nil && err != nil, strings.Join(left, "; ")
	})
}

func TestAReleaseThatIsMadeAgainIsTheSameRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cluster.RequireGarbageCollection(t)
	m := w.target("web-1")
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	release := &v1alpha1.Release{}
	w.reasonOf(release, "shop-1.0.0", v1alpha1.ConditionReady, v1alpha1.ReasonResolved)
	if err := w.client.Delete(t.Context(), release); err != nil {
		t.Fatal(err)
	}
	w.release("1.0.0")
	w.reasonOf(release, "shop-1.0.0", v1alpha1.ConditionReady, v1alpha1.ReasonResolved)
	w.eventually("the snapshot belongs to the new release alone", func() (bool, string) {
		var revision appsv1.ControllerRevision
		if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: release.Status.Snapshot}, &revision); err != nil {
			return false, err.Error()
		}
		var owners []string
		for _, o := range revision.OwnerReferences {
			owners = append(owners, o.Kind+" "+o.Name+" "+string(o.UID))
		}
		owned := len(revision.OwnerReferences) == 1 && revision.OwnerReferences[0].UID == release.UID
		return owned && revision.Labels[v1alpha1.LabelReleaseUID] == string(release.UID), strings.Join(owners, ", ")
	})
	w.looksAgain(v1alpha1.ReasonUpToDate)
	w.expectDid(m, versions("1.0.0")...)
}

// expectInstalled says what a target shows of the project in production, and what its environment counts.
func (w *world) expectInstalled(name string, release v1alpha1.Version, phase v1alpha1.InstalledPhase) {
	w.t.Helper()
	w.eventually(name+" shows "+string(release), func() (bool, string) {
		var t v1alpha1.DeploymentTarget
		if err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, &t); err != nil {
			return false, err.Error()
		}
		row := desired.Installed(&t, "shop", "production")
		if row == nil {
			return false, "nothing"
		}
		return row.Release == string(release) && row.Phase == phase, fmt.Sprintf("%s %s", row.Release, row.Phase)
	})
}
