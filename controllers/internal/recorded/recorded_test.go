package recorded

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// world is a run that did something to web-1, which does not show it.
type world struct {
	*Records
	client client.Client
	run    *v1alpha1.DeploymentRun
	target *v1alpha1.DeploymentTarget
	now    time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	at := metav1.NewTime(noon)
	w := &world{now: noon, target: &v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1", UID: "web-1"},
		Spec: v1alpha1.DeploymentTargetSpec{Thumbprint: "AA", Environments: []v1alpha1.ObjectName{"production"}}}}
	w.run = &v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "run", UID: "run", DeletionTimestamp: &at, Finalizers: []string{v1alpha1.FinalizerRun}},
		Spec:   v1alpha1.DeploymentRunSpec{Project: "shop", Environment: "production", Release: "1.0.0"},
		Status: v1alpha1.DeploymentRunStatus{Phase: v1alpha1.RunFailed, Slices: 1, StartTime: &at, FinishTime: &at}}
	slice := &v1alpha1.DeploymentRunSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "run-000", Labels: map[string]string{v1alpha1.LabelRunUID: "run"}},
		Spec: v1alpha1.DeploymentRunSliceSpec{Targets: []v1alpha1.SliceTarget{{Name: "web-1", UID: "web-1", Thumbprint: "AA"}}},
		Status: v1alpha1.DeploymentRunSliceStatus{Results: []v1alpha1.TargetResult{{Target: "web-1", Phase: v1alpha1.StepFailed,
			Steps: []v1alpha1.ActionStatus{{Name: "install", Phase: v1alpha1.StepFailed, Sent: true, Attempt: 1, StartTime: &at}}}}}}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(w.target, w.run, slice, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}).
		WithIndex(&v1alpha1.DeploymentRun{}, ByProject, ProjectOf).Build()
	w.client, w.Records = c, &Records{Client: c, Reader: c, Now: func() time.Time { return w.now }}
	return w
}

func (w *world) shows(t *testing.T, run types.UID) {
	t.Helper()
	at := metav1.NewTime(noon)
	w.target.Status.Installed = []v1alpha1.InstalledRelease{{Project: "shop", Environment: "production", RunUID: run, Phase: v1alpha1.InstalledFailed, Time: &at}}
	if err := w.client.Update(t.Context(), w.target); err != nil {
		t.Fatal(err)
	}
}

func TestTheNextRunWaitsUntilTargetsShowTheOneBefore(t *testing.T) {
	w := newWorld(t)
	before := func() string {
		t.Helper()
		wait, err := w.Before(t.Context(), []v1alpha1.DeploymentRun{*w.run}, []v1alpha1.DeploymentTarget{*w.target})
		if err != nil {
			t.Fatal(err)
		}
		if wait == nil {
			return ""
		}
		return wait.Message
	}
	if said := before(); !strings.Contains(said, "run run has ended; target web-1") {
		t.Errorf("it waits for %q", said)
	}
	w.now = noon.Add(recordWithin)
	if before() == "" {
		t.Error("it does not wait any more")
	}
	w.now = w.now.Add(time.Second)
	if said := before(); said != "" {
		t.Errorf("it waits for ever: %s", said)
	}
	w.now = noon
	w.shows(t, w.run.UID)
	if said := before(); said != "" {
		t.Errorf("the target shows it, and it waits: %s", said)
	}
}

func TestADeletedRunWaitsUntilTargetsShowIt(t *testing.T) {
	w := newWorld(t)
	after := func() time.Duration {
		t.Helper()
		again, err := w.After(t.Context(), w.run)
		if err != nil {
			t.Fatal(err)
		}
		return again
	}
	if after() == 0 {
		t.Error("it does not wait")
	}
	w.now = noon.Add(keepDeleted + time.Second)
	if after() != 0 {
		t.Error("it waits for ever")
	}
	w.now = noon
	w.shows(t, w.run.UID)
	if after() != 0 {
		t.Error("the target shows it, and it waits")
	}
}
