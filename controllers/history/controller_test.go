package history

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Runs of one second are told apart by their place in the binding's chain; the list has them in any order.
func TestPruningKeepsTheNewestOfRunsOfOneSecond(t *testing.T) {
	binding := &v1alpha1.ReleaseBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "shop-production", UID: "binding"}}
	var runs []v1alpha1.DeploymentRun
	for _, n := range []int{9, 12, 10, 11, 8} {
		run := finished("run-"+strconv.Itoa(n), time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC))
		run.Annotations = map[string]string{v1alpha1.AnnotationSequence: strconv.Itoa(n)}
		run.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(binding, v1alpha1.GroupVersion.WithKind("ReleaseBinding"))}
		if n >= 10 {
			run.Status.Phase = v1alpha1.RunFailed
		}
		runs = append(runs, run)
	}
	for keep, want := range map[int][]string{1: {"run-10", "run-11", "run-8"}, 2: {"run-10", "run-8"}, 3: {"run-8"}} {
		var got []string
		for _, run := range expendable(runs, placeOf(&runs[0]), keep) {
			got = append(got, run.Name)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("keeping %d deletes %v, wanted %v: the newest and the last that succeeded stay", keep, got, want)
		}
	}
}

func finished(name string, made time.Time) v1alpha1.DeploymentRun {
	return v1alpha1.DeploymentRun{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name), CreationTimestamp: metav1.NewTime(made)},
		Spec:       v1alpha1.DeploymentRunSpec{Project: "shop", Environment: "production", Release: "1.0.0"},
		Status:     v1alpha1.DeploymentRunStatus{Phase: v1alpha1.RunSucceeded},
	}
}

func TestAPlaceInAQueueIsFoundAgain(t *testing.T) {
	run := finished("run-1", time.Now())
	at := placeOf(&run)
	if request := at.request(); request.Namespace != "shop" || placeIn(request) != at {
		t.Errorf("%+v became %+v", at, request)
	}
}

// Only the oldest finished runs of the project in the environment go, each by its UID.
func TestOnlyTheOldestFinishedRunsOfAPlaceAreDeleted(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	objects := []client.Object{&v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "shop"}, Spec: v1alpha1.ProjectSpec{History: v1alpha1.ProjectHistory{Runs: 2}}}}
	for i := range 4 {
		run := finished("run-"+strconv.Itoa(i), noon.Add(time.Duration(i)*time.Minute))
		objects = append(objects, &run)
	}
	going, elsewhere := finished("going", noon.Add(-time.Hour)), finished("elsewhere", noon.Add(-time.Hour))
	going.Status.Phase, elsewhere.Spec.Environment = v1alpha1.RunRunning, "staging"
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(append(objects, &going, &elsewhere)...).WithInterceptorFuncs(interceptor.Funcs{
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			given := client.DeleteOptions{}
			given.ApplyOptions(opts)
			if given.Preconditions == nil || given.Preconditions.UID == nil || *given.Preconditions.UID != o.GetUID() {
				t.Errorf("%s is deleted whoever it is", o.GetName())
			}
			return c.Delete(ctx, o)
		}}).Build()
	r := &Reconciler{Client: c}
	if _, err := r.Reconcile(t.Context(), placeOf(&going)); err != nil {
		t.Fatal(err)
	}
	var left v1alpha1.DeploymentRunList
	if err := c.List(t.Context(), &left); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, run := range left.Items {
		names = append(names, run.Name)
	}
	if slices.Sort(names); !slices.Equal(names, []string{"elsewhere", "going", "run-2", "run-3"}) {
		t.Errorf("left are %v", names)
	}
}

func TestARunIsSeenOnceWhenItEnds(t *testing.T) {
	over := finished("run", time.Now())
	going := over
	going.Status.Phase = v1alpha1.RunRunning
	p := ended()
	if !p.Update(event.UpdateEvent{ObjectOld: &going, ObjectNew: &over}) || !p.Create(event.CreateEvent{Object: &over}) {
		t.Error("the end of a run is not seen")
	}
	if p.Update(event.UpdateEvent{ObjectOld: &over, ObjectNew: &over}) || p.Create(event.CreateEvent{Object: &going}) || p.Delete(event.DeleteEvent{Object: &over}) {
		t.Error("more is seen than the end of a run")
	}
}
