package run

import (
	"context"
	"io"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/optional"
	"github.com/mantledeploy/mantle/controllers/internal/packages"
	"github.com/mantledeploy/mantle/controllers/internal/recorded"
	"github.com/mantledeploy/mantle/controllers/internal/session"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
)

// stub is a reconciler on an API server in memory, in whose namespace release 1.0.0 of project shop is ready. Its doors
// lead nowhere.
type stub struct {
	*Reconciler
	t        *testing.T
	recorder *events.FakeRecorder
	// fetched says that every package is in the cache.
	fetched bool
	now     time.Time
}

func newStub(t *testing.T, objects ...client.Object) *stub {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, appsv1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	release := &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "shop-1.0.0", UID: "release"}, Spec: v1alpha1.ReleaseSpec{Project: "shop", Version: "1.0.0"}}
	frozen, err := snapshot.Freeze(release, v1alpha1.ProjectSpec{Steps: []v1alpha1.Step{{Name: "install",
		StepModifiers: v1alpha1.StepModifiers{Run: &v1alpha1.RunStep{Shell: v1alpha1.ShellBash, Script: "true"}}}}}, "sha256:0123456789")
	if err != nil {
		t.Fatal(err)
	}
	release.Status.Snapshot = frozen.Name
	release.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonResolved}}
	release.Status.Packages = []v1alpha1.ResolvedPackage{{Name: "web", Version: "1.0.0"}}
	environment := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "production"}}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Finalizers: []string{"test/holds"}}}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(append(objects, release, frozen, environment, namespace)...).
		WithStatusSubresource(&v1alpha1.DeploymentRun{}, &v1alpha1.DeploymentRunSlice{}, &v1alpha1.DeploymentTarget{}).
		WithIndex(&v1alpha1.DeploymentRun{}, unfinished, indexUnfinished).
		WithIndex(&v1alpha1.DeploymentRun{}, recorded.ByProject, recorded.ProjectOf).Build()
	s := &stub{t: t, recorder: events.NewFakeRecorder(100), fetched: true, now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}
	s.Reconciler = newReconciler(c, c, s.recorder,
		Deps{Dispatcher: nowhere{}, Identities: nowhere{}, Packages: s, Logs: nowhere{}, Now: func() time.Time { return s.now }})
	return s
}

// events gives the events that were made since it was asked last, each as type, reason and note.
func (s *stub) events() []string {
	var told []string
	for {
		select {
		case e := <-s.recorder.Events:
			told = append(told, e)
		default:
			return told
		}
	}
}

func (s *stub) namespace() *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
}

// aRun is a person's run of release 1.0.0.
func aRun(name string, change ...func(*v1alpha1.DeploymentRun)) *v1alpha1.DeploymentRun {
	r := &v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name), Finalizers: []string{v1alpha1.FinalizerRun},
		CreationTimestamp: metav1.Date(2026, 11, 1, 11, 0, 0, 0, time.UTC)},
		Spec: v1alpha1.DeploymentRunSpec{Project: "shop", Release: "1.0.0", Environment: "production"}}
	for _, c := range change {
		c(r)
	}
	return r
}

// aTarget is a healthy target of production.
func aTarget(name string, change ...func(*v1alpha1.DeploymentTarget)) *v1alpha1.DeploymentTarget {
	t := &v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name)},
		Spec: v1alpha1.DeploymentTargetSpec{Address: name + ":10933", Thumbprint: "0123456789012345678901234567890123456789",
			Environments: []v1alpha1.ObjectName{"production"}, Roles: []v1alpha1.Role{"web"}},
		Status: v1alpha1.DeploymentTargetStatus{Health: v1alpha1.HealthHealthy}}
	for _, c := range change {
		c(t)
	}
	return t
}

// pass reconciles a run once, as it is now, and gives it as it is then; nil where it is gone.
func (s *stub) pass(name string) *v1alpha1.DeploymentRun {
	s.t.Helper()
	run := s.get(name)
	if run == nil {
		return nil
	}
	if _, err := s.Reconcile(s.t.Context(), ctrl.Request{NamespacedName: nameOf(run)}); err != nil {
		s.t.Fatalf("reconciling run %s: %v", name, err)
	}
	return s.get(name)
}

func (s *stub) get(name string) *v1alpha1.DeploymentRun {
	s.t.Helper()
	run, err := optional.Get(s.t.Context(), s.Reader, "shop", name, &v1alpha1.DeploymentRun{})
	if err != nil {
		s.t.Fatal(err)
	}
	return run
}

// turns reconciles the runs, one after the other, until f holds.
func (s *stub) turns(what string, f func() bool, names ...string) {
	s.t.Helper()
	for range 10 {
		if f() {
			return
		}
		for _, name := range names {
			s.pass(name)
		}
	}
	for _, name := range names {
		if run := s.get(name); run != nil {
			s.t.Logf("run %s: %s %+v", name, run.Status.Phase, run.Status.Conditions)
		}
	}
	s.t.Fatalf("not in ten turns: %s", what)
}

func (s *stub) in(name string, phase v1alpha1.RunPhase) func() bool {
	return func() bool { run := s.get(name); return run != nil && run.Status.Phase == phase }
}

// Ensure says that packages are there, or are on their way.
func (s *stub) Ensure(packages.Owner, packages.Ref) (packages.Package, packages.State, error) {
	if s.fetched {
		return packages.Package{}, packages.Ready, nil
	}
	return packages.Package{}, packages.Pending, nil
}

func (s *stub) RetryAt(packages.Ref) time.Time { return time.Time{} }

func (s *stub) Open(packages.Ref) (io.ReadCloser, error) { return nil, io.EOF }
func (s *stub) Release(types.UID)                        {}

// nowhere takes everything and tells nothing.
type nowhere struct{}

func (nowhere) Dispatch(dispatch.Action)                       {}
func (nowhere) Drain(types.UID) []dispatch.Report              { return nil }
func (nowhere) Cancel(string)                                  {}
func (nowhere) GiveUp(string)                                  {}
func (nowhere) Relocate(string)                                {}
func (nowhere) Drop(string)                                    {}
func (nowhere) Acknowledge(types.UID, session.Machine, string) {}
func (nowhere) Forget(types.UID)                               {}
func (nowhere) Backlog(string) int                             { return 0 }
func (nowhere) Delete(string, types.UID) error                 { return nil }
func (nowhere) For(context.Context, string) (*session.Identity, error) {
	return &session.Identity{Namespace: "shop"}, nil
}
func (nowhere) Sink(string, types.UID, string, string, int32) dispatch.LogSink { return nil }
func (nowhere) Kept(string, types.UID, string, string, int32) bool             { return true }
