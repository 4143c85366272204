package target

import (
	"context"
	"encoding/json"
	"strconv"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// view is what a client shows of a run of two steps that has ended, and of its row.
func view(t *testing.T, row v1alpha1.StepPhase, steps ...v1alpha1.StepPhase) client.Client {
	t.Helper()
	run := &v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "run-1", UID: "u1"}}
	run.Status.Phase = v1alpha1.RunSucceeded
	slice := &v1alpha1.DeploymentRunSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "run-1-000",
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(run, v1alpha1.GroupVersion.WithKind("DeploymentRun"))}}}
	slice.Spec.Targets = []v1alpha1.SliceTarget{{Name: "web-1", UID: "t1", Thumbprint: "pin"}}
	result := v1alpha1.TargetResult{Target: "web-1", Phase: row}
	now := metav1.Now()
	for _, phase := range steps {
		result.Steps = append(result.Steps, v1alpha1.ActionStatus{Phase: phase, StartTime: &now, Sent: true})
	}
	slice.Status.Results = []v1alpha1.TargetResult{result}
	return showing(t, run, slice)
}

// showing is a client that shows these objects.
func showing(t *testing.T, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	index := func(o client.Object) []string { return []string{o.(*v1alpha1.DeploymentRunSlice).Spec.Targets[0].Name} }
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithIndex(&v1alpha1.DeploymentRunSlice{}, sliceTargets, index).Build()
}

// Times have seconds, and a binding may make two runs within one: which of their rows is listed first says nothing.
func TestOfTwoRunsInOneSecondTheNewerHolds(t *testing.T) {
	at := metav1.NewTime(time.Unix(100, 0))
	var objects []client.Object
	for i, name := range []string{"b", "a"} {
		run := &v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "run-" + name, UID: types.UID(name), CreationTimestamp: at,
			Annotations: map[string]string{v1alpha1.AnnotationSequence: strconv.Itoa(10 - i)}}, Spec: v1alpha1.DeploymentRunSpec{Project: "shop", Environment: "production"}}
		run.Status.Phase, run.Status.StartTime, run.Status.FinishTime = v1alpha1.RunSucceeded, &at, &at
		slice := &v1alpha1.DeploymentRunSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "slice-" + strconv.Itoa(i),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(run, v1alpha1.GroupVersion.WithKind("DeploymentRun"))}}}
		slice.Spec.Targets = []v1alpha1.SliceTarget{{Name: "web-1", UID: "t1", Thumbprint: "pin"}}
		slice.Status.Results = []v1alpha1.TargetResult{{Target: "web-1", Phase: v1alpha1.StepSucceeded, FinishTime: &at,
			Steps: []v1alpha1.ActionStatus{{Phase: v1alpha1.StepSucceeded, StartTime: &at, Sent: true}}}}
		objects = append(objects, run, slice)
	}
	target := &v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1", UID: "t1"}}
	target.Spec.Thumbprint = "pin"
	shown := showing(t, objects...)
	r := &Reconciler{Client: shown, Reader: shown}
	rows, err := r.rows(t.Context(), target)
	if err != nil || len(rows) != 2 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, written := range [][]v1alpha1.InstalledRelease{nil, rows[:1], rows[1:]} {
		if got := merge(written, rows); len(got) != 1 || got[0].RunUID != "b" {
			t.Errorf("with %d written: %+v", len(written), got)
		}
	}
}

// A cache may show that a run has ended before it shows the last rows of the run. What its rows say then is not what the
// run did, and a binding would deploy again.
func TestARunThatHasEndedIsJudgedByItsLastRows(t *testing.T) {
	cached := view(t, v1alpha1.StepRunning, v1alpha1.StepSucceeded, v1alpha1.StepRunning)
	live := view(t, v1alpha1.StepSucceeded, v1alpha1.StepSucceeded, v1alpha1.StepSucceeded)
	target := &v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1", UID: types.UID("t1")}}
	target.Spec.Thumbprint = "pin"
	r := &Reconciler{Client: cached, Reader: live}
	rows, err := r.rows(t.Context(), target)
	if err != nil || len(rows) != 1 || rows[0].Phase != v1alpha1.InstalledSucceeded {
		t.Errorf("%+v, %v; want one row that succeeded", rows, err)
	}
}

// The client decodes into what an object holds already, and what the answer leaves out stays there.
func TestTheLastRowsAreNotMixedWithThoseOfTheCache(t *testing.T) {
	live := view(t, v1alpha1.StepSkipped, v1alpha1.StepSkipped)
	merging := interceptor.NewClient(live.(client.WithWatch), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
			answer := &v1alpha1.DeploymentRunSlice{}
			if err := c.Get(ctx, key, answer); err != nil {
				return err
			}
			content, err := json.Marshal(answer)
			if err != nil {
				return err
			}
			return json.Unmarshal(content, o)
		}})
	slice := &v1alpha1.DeploymentRunSlice{}
	key := client.ObjectKey{Namespace: "shop", Name: "run-1-000"}
	if err := view(t, v1alpha1.StepRunning, v1alpha1.StepRunning).Get(t.Context(), key, slice); err != nil {
		t.Fatal(err)
	}
	slice.Status.Results[0].FinishTime = &metav1.Time{Time: time.Unix(1, 0)}
	run := &v1alpha1.DeploymentRun{Status: v1alpha1.DeploymentRunStatus{Phase: v1alpha1.RunSucceeded}}
	r := &Reconciler{Reader: merging}
	target := &v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1"}}
	last, err := r.latestSlice(t.Context(), target, slice, run)
	if err != nil {
		t.Fatal(err)
	}
	if got := last.Status.Results[0]; got.Phase != v1alpha1.StepSkipped || got.FinishTime != nil {
		t.Errorf("the row is %+v", got)
	}
}
