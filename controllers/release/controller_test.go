package release

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/packages"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
)

// bench is a release of project() on an API server that is a map; its package is there.
type bench struct {
	*testing.T
	client.Client
	r        *Reconciler
	recorder *events.FakeRecorder
	now      time.Time
	// lists counts lists past the cache; patch, where it is set, is how a write of the status fails.
	lists    int
	patch    error
	released []types.UID
}

func (b *bench) Ensure(_ packages.Owner, ref packages.Ref) (packages.Package, packages.State, error) {
	return packages.Package{Digest: "sha256:1", ContentDigest: "sha256:2", Format: "tar.gz", Size: 3}, packages.Ready, nil
}
func (b *bench) RetryAt(packages.Ref) time.Time { return time.Time{} }
func (b *bench) Release(owner types.UID)        { b.released = append(b.released, owner) }

func newBench(t *testing.T, objects ...client.Object) *bench {
	t.Helper()
	all := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(all), v1alpha1.AddToScheme(all)); err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, recorder: events.NewFakeRecorder(100), now: now}
	inShop := func(o client.Object, uid types.UID) client.Object {
		o.SetNamespace("shop")
		o.SetUID(uid)
		return o
	}
	objects = append(objects, inShop(project(), "p"), inShop(release(), "r"))
	base := fake.NewClientBuilder().WithScheme(all).WithObjects(objects...).WithStatusSubresource(&v1alpha1.Release{}).
		WithIndex(&v1alpha1.DeploymentRun{}, runsByRelease, indexRun).Build()
	b.Client = interceptor.NewClient(base, interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			if b.patch != nil {
				return b.patch
			}
			return c.SubResource(sub).Patch(ctx, o, patch, opts...)
		}})
	reader := interceptor.NewClient(base, interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
		b.lists++
		return c.List(ctx, list, opts...)
	}})
	b.r = &Reconciler{Client: b.Client, Reader: reader, Snapshots: snapshot.NewReader(b.Client), Recorder: b.recorder, Packages: b,
		Now: func() time.Time { return b.now }}
	return b
}

func (b *bench) release() *v1alpha1.Release {
	b.Helper()
	var r v1alpha1.Release
	if err := b.Get(b.Context(), types.NamespacedName{Namespace: "shop", Name: "shop-1.0.0"}, &r); err != nil {
		b.Fatal(err)
	}
	return &r
}

// pass runs one pass; what it answers must not be an error.
func (b *bench) pass() ctrl.Result {
	b.Helper()
	result, err := b.r.Reconcile(b.Context(), b.release())
	if err != nil {
		b.Fatal(err)
	}
	return result
}

func (b *bench) want(kind string, status metav1.ConditionStatus, reason string) {
	b.Helper()
	c := meta.FindStatusCondition(b.release().Status.Conditions, kind)
	if c == nil || c.Status != status || c.Reason != reason {
		b.Errorf("%s is %+v, want %s for %s", kind, c, status, reason)
	}
}

// left is what an earlier release of this name has left: another process under the name that this one's will have.
func left() *appsv1.ControllerRevision {
	revision, _ := snapshot.Freeze(&v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "shop-1.0.0", UID: "earlier"}},
		v1alpha1.ProjectSpec{}, project().Status.ProcessDigest)
	return revision
}

func TestASnapshotThatIsInTheWayIsWaitedForInSight(t *testing.T) {
	revision := left()
	b := newBench(t, revision)
	for range 3 {
		if again := b.pass().RequeueAfter; again != heldAgain {
			t.Errorf("it is looked at again after %s", again)
		}
	}
	b.want(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonSnapshotInUse)
	if err := b.Delete(t.Context(), revision); err != nil {
		t.Fatal(err)
	}
	b.pass()
	b.want(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonResolved)
	if s := b.release().Status; len(s.Packages) != 1 || s.Packages[0].ID != "https://x/web-{version}.tgz" || s.Packages[0].Version != "1.0.0" {
		t.Errorf("what names the package is %+v", s.Packages)
	}
	if ref := packages.RefOf("shop", b.release().Status.Packages[0]); ref.ID != "https://x/web-{version}.tgz" || ref.Digest != "sha256:1" || ref.Namespace != "shop" {
		t.Errorf("a run asks for %+v", ref)
	}
}

func TestASnapshotThatIsNamedIsReadFromTheCache(t *testing.T) {
	b := newBench(t)
	b.pass()
	b.lists = 0
	for range 5 {
		b.pass()
	}
	if b.lists != 0 {
		t.Errorf("%d lists past the cache of what the status names", b.lists)
	}
	r := b.release()
	want := r.Status.Snapshot
	r.Status = v1alpha1.ReleaseStatus{}
	if err := b.Status().Update(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	b.pass()
	if got := b.release().Status.Snapshot; b.lists == 0 || got != want || want == "" {
		t.Errorf("after its status was lost it names %q, not %q", got, want)
	}
}

// Whoever makes a release again under a name must not get the snapshot of the former one by the name that its status has.
func TestASnapshotOfAnotherReleaseIsNotTaken(t *testing.T) {
	revision := left()
	b := newBench(t, revision)
	r := b.release()
	r.Status.Snapshot, r.Status.ProcessDigest = revision.Name, "sha256:aa"
	if err := b.Status().Update(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	b.pass()
	b.want(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSnapshotInUse)
}

func TestASnapshotThatCannotBeReadIsStalled(t *testing.T) {
	revision := left()
	revision.Labels[v1alpha1.LabelReleaseUID] = "r"
	revision.Data.Raw = []byte(`{"version":7}`)
	b := newBench(t, revision)
	b.pass()
	b.want(v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSnapshotUnreadable)
}

func TestWhatIsToldIsStored(t *testing.T) {
	b := newBench(t)
	b.patch = errors.New("away")
	for range 3 {
		if _, err := b.r.Reconcile(t.Context(), b.release()); err == nil {
			t.Fatal("a status that is not stored is no error")
		}
	}
	if len(b.recorder.Events) != 0 || len(b.released) != 0 {
		t.Errorf("%d events tell of what is not stored; released are %v", len(b.recorder.Events), b.released)
	}
	b.patch = nil
	b.pass()
	b.pass()
	if len(b.recorder.Events) != 1 {
		t.Errorf("%d events", len(b.recorder.Events))
	}
	if !slices.Contains(b.released, "r") {
		t.Error("the package cache still works for it")
	}
}

func TestTheCacheForgetsAReleaseThatIsDeleted(t *testing.T) {
	b := newBench(t)
	b.r.deleted(t.Context(), event.DeleteEvent{Object: b.release()}, nil)
	if !slices.Contains(b.released, "r") {
		t.Errorf("released are %v", b.released)
	}
}

func TestARunsCountsWakeNoRelease(t *testing.T) {
	before := &v1alpha1.DeploymentRun{}
	before.Status.Phase = v1alpha1.RunRunning
	for name, tt := range map[string]struct {
		change func(*v1alpha1.DeploymentRunStatus)
		want   bool
	}{
		"counts": {func(s *v1alpha1.DeploymentRunStatus) { s.Targets.Running, s.Progress = 3, "3/5" }, false},
		"phase":  {func(s *v1alpha1.DeploymentRunStatus) { s.Phase = v1alpha1.RunSucceeded }, true},
		"end":    {func(s *v1alpha1.DeploymentRunStatus) { s.FinishTime = &metav1.Time{Time: now} }, true},
	} {
		after := before.DeepCopy()
		tt.change(&after.Status)
		if got := shownOfRuns.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// shop-1-2 is the name for version 1-2 of shop, and for version 2 of shop-1, of whose runs the release of shop tells nothing.
func TestRunsOfAnotherProjectAreNotOfTheRelease(t *testing.T) {
	run := func(name string, project v1alpha1.ObjectName, version v1alpha1.Version) client.Object {
		return &v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
			Spec: v1alpha1.DeploymentRunSpec{Project: project, Release: version, Environment: "production"}}
	}
	b := newBench(t, run("its-own", "shop", "1-2"), run("of-another", "shop-1", "2"))
	f, err := b.r.gather(t.Context(), &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "shop-1-2"},
		Spec: v1alpha1.ReleaseSpec{Project: "shop", Version: "1-2"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Runs) != 1 || f.Runs[0].Name != "its-own" {
		t.Errorf("its runs are %+v", f.Runs)
	}
}

// What the old releases of a project say of it holds until an edit of it was judged: otherwise each edit writes them all twice.
func TestAProjectThatIsNotJudgedYetConcernsNoFrozenRelease(t *testing.T) {
	r := &v1alpha1.Release{Status: v1alpha1.ReleaseStatus{Snapshot: "frozen", ProcessDigest: "sha256:1",
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionProjectChanged, Status: metav1.ConditionTrue}}}}
	p := &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Generation: 3}, Status: v1alpha1.ProjectStatus{ObservedGeneration: 2, ProcessDigest: "sha256:2"}}
	if concerns(p, r) {
		t.Error("the release is to say that its project has not changed, as that was edited again")
	}
	p.Status.ObservedGeneration = 3
	if concerns(p, r) {
		t.Error("the release says rightly that its project has changed")
	}
	if p.Status.ProcessDigest = "sha256:1"; !concerns(p, r) {
		t.Error("the release is not told that its project is as it was")
	}
}
