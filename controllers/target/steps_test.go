package target

import (
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
)

// ran is what a client shows of a run of the steps web and db on web-1, which only the first addresses.
func ran(t *testing.T, phase v1alpha1.RunPhase, frozen bool, results ...v1alpha1.TargetResult) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, clientgoscheme.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	at := metav1.NewTime(noon)
	run := &v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "run-2", UID: "u2"},
		Spec: v1alpha1.DeploymentRunSpec{Project: "shop", Environment: "production", Release: "2.0.0"}}
	release := &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "shop-2.0.0"}}
	revision, err := snapshot.Freeze(release, v1alpha1.ProjectSpec{Steps: []v1alpha1.Step{{Name: "web"}, {Name: "db"}}}, "sha256:0123456789")
	if err != nil {
		t.Fatal(err)
	}
	run.Status = v1alpha1.DeploymentRunStatus{Phase: phase, Snapshot: revision.Name, FinishTime: &at}
	slice := &v1alpha1.DeploymentRunSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "run-2-000",
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(run, v1alpha1.GroupVersion.WithKind("DeploymentRun"))}}}
	slice.Spec.Targets = []v1alpha1.SliceTarget{{Name: "web-1", UID: "uid", Steps: []int32{0}}}
	slice.Status.Results = results
	index := func(o client.Object) []string { return []string{o.(*v1alpha1.DeploymentRunSlice).Spec.Targets[0].Name} }
	b := fake.NewClientBuilder().WithScheme(scheme).WithObjects(run, slice).WithStatusSubresource(&v1alpha1.DeploymentTarget{}).WithIndex(&v1alpha1.DeploymentRunSlice{}, sliceTargets, index)
	if frozen {
		b = b.WithObjects(revision)
	}
	return b.Build()
}

// having is web-1 with release 1.0.0.
func having() *v1alpha1.DeploymentTarget {
	t := aTarget()
	before := metav1.NewTime(noon.Add(-time.Hour))
	t.Status.Installed = []v1alpha1.InstalledRelease{{Project: "shop", Environment: "production", Release: "1.0.0", RunUID: "u1", Phase: v1alpha1.InstalledSucceeded, Time: &before}}
	return t
}

func show(t *testing.T, r *Reconciler, dt *v1alpha1.DeploymentTarget) v1alpha1.InstalledRelease {
	t.Helper()
	rows, err := r.rows(t.Context(), dt)
	if err != nil {
		t.Fatal(err)
	}
	f := seen(dt, nil)
	f.Rows = rows
	describe(f)
	if len(dt.Status.Installed) != 1 {
		t.Fatalf("%+v", dt.Status.Installed)
	}
	return dt.Status.Installed[0]
}

// A machine that was away before anything was sent to it still has what it had, whatever the run says of it.
func TestAMachineThatWasNotTouchedHasWhatItHad(t *testing.T) {
	at := metav1.NewTime(noon)
	c := ran(t, v1alpha1.RunFailed, true, v1alpha1.TargetResult{Target: "web-1", Phase: v1alpha1.StepFailed, Reason: v1alpha1.ReasonUnavailable, FinishTime: &at,
		Steps: []v1alpha1.ActionStatus{{Name: "web", Phase: v1alpha1.StepFailed, Attempt: 1, StartTime: &at, Reason: v1alpha1.ReasonNoRoute}}})
	if row := show(t, &Reconciler{Client: c, Reader: c}, having()); row.Release != "1.0.0" || row.Phase != v1alpha1.InstalledSucceeded {
		t.Errorf("it is said to have %+v", row)
	}
}

// A run that succeeded speaks of a target that had nothing to do, and the row tells which steps addressed it.
func TestATargetThatHadNothingToDoIsUpToDate(t *testing.T) {
	c := ran(t, v1alpha1.RunSucceeded, true)
	dt := having()
	row := show(t, &Reconciler{Client: c, Reader: c}, dt)
	if row.Release != "2.0.0" || row.Phase != v1alpha1.InstalledSucceeded || !slices.Equal(row.Steps, []string{"web"}) {
		t.Errorf("it is said to have %+v", row)
	}
	gone := ran(t, v1alpha1.RunSucceeded, false) // the release was deleted, and its process with it
	if row := show(t, &Reconciler{Client: gone, Reader: gone}, dt); !slices.Equal(row.Steps, []string{"web"}) {
		t.Errorf("what was known of its steps is lost: %+v", row)
	}
	later := ran(t, v1alpha1.RunSucceeded, true) // a later operator froze it
	var revisions appsv1.ControllerRevisionList
	if err := later.List(t.Context(), &revisions); err != nil {
		t.Fatal(err)
	}
	revisions.Items[0].Data.Raw = []byte(`{"version":2}`)
	if err := later.Update(t.Context(), &revisions.Items[0]); err != nil {
		t.Fatal(err)
	}
	if row := show(t, &Reconciler{Client: later, Reader: later}, dt); !slices.Equal(row.Steps, []string{"web"}) {
		t.Errorf("with a process that cannot be read: %+v", row)
	}
}

// A cache may show that a run has succeeded before it shows that a target was left out.
func TestATargetThatWasLeftOutIsNotTakenForOneThatHadNothingToDo(t *testing.T) {
	skipped := v1alpha1.TargetResult{Target: "web-1", Phase: v1alpha1.StepSkipped, Reason: v1alpha1.ReasonUnavailable,
		Steps: []v1alpha1.ActionStatus{{Name: "web", Phase: v1alpha1.StepSkipped, Reason: v1alpha1.ReasonUnavailable}}}
	r := &Reconciler{Client: ran(t, v1alpha1.RunSucceeded, true), Reader: ran(t, v1alpha1.RunSucceeded, true, skipped)}
	if row := show(t, r, having()); row.Release != "1.0.0" {
		t.Errorf("it is said to have %+v", row)
	}
}

// The end of a run concerns all its targets, also those without a row.
func TestTheEndOfARunConcernsAllItsTargets(t *testing.T) {
	c := ran(t, v1alpha1.RunSucceeded, true)
	var slice v1alpha1.DeploymentRunSlice
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "run-2-000"}, &slice); err != nil {
		t.Fatal(err)
	}
	slice.Labels = map[string]string{v1alpha1.LabelRunUID: "u2"}
	if err := c.Update(t.Context(), &slice); err != nil {
		t.Fatal(err)
	}
	var run v1alpha1.DeploymentRun
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "run-2"}, &run); err != nil {
		t.Fatal(err)
	}
	r := &Reconciler{Client: c}
	if requests := r.inRun(t.Context(), &run); len(requests) != 1 || requests[0].Name != "web-1" {
		t.Errorf("%v", requests)
	}
}
