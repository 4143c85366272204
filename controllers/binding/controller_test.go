package binding

import (
	"context"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
)

// stub is a cluster with a binding, its release and one target, and notes in which order things are written.
type stub struct {
	*testing.T
	cluster    client.Client
	reconciler *Reconciler
	events     *events.FakeRecorder
	wrote      []string
}

func newStub(t *testing.T, more ...client.Object) *stub {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, clientgoscheme.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	release := &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "shop-1.0.0", UID: "release"}, Spec: v1alpha1.ReleaseSpec{Project: "shop", Version: "1.0.0"}}
	revision, err := snapshot.Freeze(release, v1alpha1.ProjectSpec{Steps: []v1alpha1.Step{{Name: "install"}}}, "sha256:0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	release.Status.Snapshot = revision.Name
	release.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue}}
	target := web("web-1")
	target.Namespace = "shop"
	binding := &v1alpha1.ReleaseBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "b", UID: "b"},
		Spec: v1alpha1.ReleaseBindingSpec{Project: "shop", Environment: "production", Release: "1.0.0"}}
	s := &stub{T: t, events: events.NewFakeRecorder(10)}
	objects := append(more, release, revision, &target, binding, &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "production"}})
	s.cluster = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(binding, &v1alpha1.DeploymentRun{}).WithIndex(&v1alpha1.DeploymentTarget{}, byRole, indexByRole).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			s.wrote = append(s.wrote, "run")
			return c.Create(ctx, o, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			if len(s.events.Events) > 0 {
				s.wrote = append(s.wrote, "event")
			}
			s.wrote = append(s.wrote, "status")
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		}}).Build()
	s.reconciler = &Reconciler{Client: s.cluster, Reader: s.cluster, Recorder: s.events, Now: func() time.Time { return now }}
	return s
}

// pass is one pass over the binding as it is, or as an older view of it.
func (s *stub) pass(view *v1alpha1.ReleaseBinding) *v1alpha1.ReleaseBinding {
	s.Helper()
	b := &v1alpha1.ReleaseBinding{}
	key := client.ObjectKey{Namespace: "shop", Name: "b"}
	if err := s.cluster.Get(s.Context(), key, b); err != nil {
		s.Fatal(err)
	}
	if view == nil {
		view = b
	}
	if _, err := s.reconciler.Reconcile(s.Context(), view); err != nil {
		s.Fatal(err)
	}
	if err := s.cluster.Get(s.Context(), key, b); err != nil {
		s.Fatal(err)
	}
	return b
}

func (s *stub) runs() []v1alpha1.DeploymentRun {
	s.Helper()
	var runs v1alpha1.DeploymentRunList
	if err := s.cluster.List(s.Context(), &runs); err != nil {
		s.Fatal(err)
	}
	return runs.Items
}

// The run depends on the record in the status, so that is stored first; people are told last.
func TestTheStatusIsStoredBeforeTheRunIsMade(t *testing.T) {
	s := newStub(t)
	b := s.pass(nil)
	if !slices.Equal(s.wrote, []string{"status", "run"}) || len(s.events.Events) != 1 {
		t.Errorf("written in the order %v, and %d events", s.wrote, len(s.events.Events))
	}
	runs := s.runs()
	if len(runs) != 1 || !slices.Contains(runs[0].Finalizers, v1alpha1.FinalizerRun) || !metav1.IsControlledBy(&runs[0], b) {
		t.Fatalf("%+v", runs)
	}
	if b.Status.CurrentRun != runs[0].Name || b.Status.Record == nil {
		t.Errorf("%+v", b.Status)
	}
}

// A pass over an old view of the binding makes nothing: its record may have changed.
func TestAnOldViewOfTheBindingMakesNoRun(t *testing.T) {
	s := newStub(t)
	old := &v1alpha1.ReleaseBinding{}
	if err := s.cluster.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "b"}, old); err != nil {
		t.Fatal(err)
	}
	changed := old.DeepCopy()
	changed.Status.Record = &v1alpha1.BindingRecord{Hash: "other"}
	if err := s.cluster.Status().Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	if b := s.pass(old); len(s.runs()) != 0 || b.Status.Record.Hash != "other" {
		t.Errorf("%d runs, record %+v", len(s.runs()), b.Status.Record)
	}
}

// A run that only looks as if the binding had made it is not a part of its chain, and does not stand for the next run.
func TestARunOfSomebodyElseIsNotTheBindings(t *testing.T) {
	s := newStub(t)
	b := s.pass(nil)
	own := s.runs()[0]
	forged := own.DeepCopy()
	forged.ResourceVersion, forged.UID, forged.OwnerReferences, forged.Finalizers = "", "forged", nil, nil
	s2 := newStub(t, forged)
	told := s2.pass(nil)
	if told.Status.Conditions[0].Reason != v1alpha1.ReasonRunNameTaken || told.Status.CurrentRun != "" || len(s2.runs()) != 1 {
		t.Errorf("%+v", told.Status)
	}
	if err := s2.cluster.Delete(t.Context(), forged); err != nil {
		t.Fatal(err)
	}
	if s2.pass(nil); len(s2.runs()) != 1 || s2.runs()[0].Name != b.Status.CurrentRun {
		t.Errorf("%+v", s2.runs())
	}
}

// A run that ended is taken into the record, and the binding is held without it. The next run has another name.
func TestAHeldBindingStaysHeldWithoutItsRun(t *testing.T) {
	s := newStub(t)
	s.pass(nil)
	failed := s.runs()[0]
	failed.Status.Phase, failed.Status.StartTime, failed.Status.FinishTime = v1alpha1.RunFailed, &metav1.Time{Time: now}, &metav1.Time{Time: now}
	if err := s.cluster.Status().Update(t.Context(), &failed); err != nil {
		t.Fatal(err)
	}
	b := s.pass(nil)
	if !desired.Recorded(b, &failed) || b.Status.LastRun != failed.Name {
		t.Fatalf("%+v", b.Status)
	}
	failed.Finalizers = nil
	if err := s.cluster.Update(t.Context(), &failed); err != nil {
		t.Fatal(err)
	}
	if err := s.cluster.Delete(t.Context(), &failed); err != nil {
		t.Fatal(err)
	}
	b = s.pass(nil)
	if len(s.runs()) != 0 || b.Status.Record.Hold == nil || b.Status.Record.Hold.Run != failed.Name || b.Status.LastRun != failed.Name {
		t.Fatalf("%+v", b.Status)
	}
	b.Annotations = map[string]string{v1alpha1.AnnotationRetry: "again"}
	if err := s.cluster.Update(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	s.pass(nil)
	if runs := s.runs(); len(runs) != 1 || runs[0].Name == failed.Name || runs[0].Annotations[v1alpha1.AnnotationSequence] != "2" {
		t.Errorf("%+v", runs)
	}
}
