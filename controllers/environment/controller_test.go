package environment

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/identity"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// identities answers every namespace with err.
type identities struct{ err error }

func (i *identities) For(context.Context, string) (*session.Identity, error) {
	return &session.Identity{}, i.err
}

func (i *identities) Forget(string) {}

// fixture is an environment with targets, a clock, and a count of the writes.
type fixture struct {
	t *testing.T
	*Reconciler
	client.Client
	*identities
	clock  time.Time
	writes int
}

func newFixture(t *testing.T, targets ...client.Object) *fixture {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, identities: &identities{}, clock: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	e := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "production", UID: "e", Generation: 1}, Status: v1alpha1.EnvironmentStatus{ObservedGeneration: -1}}
	f.Client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(append(targets, e)...).WithStatusSubresource(e).WithInterceptorFuncs(interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			f.writes++
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		}}).Build()
	f.Reconciler = &Reconciler{Client: f.Client, Identities: f.identities, Now: func() time.Time { return f.clock }, throttles: map[types.NamespacedName]throttle{}}
	return f
}

// pass is one pass; it answers when the next one is.
func (f *fixture) pass() (*v1alpha1.Environment, time.Duration, error) {
	f.t.Helper()
	e := &v1alpha1.Environment{}
	key := client.ObjectKey{Namespace: "shop", Name: "production"}
	if err := f.Get(f.t.Context(), key, e); err != nil {
		f.t.Fatal(err)
	}
	result, err := f.Reconcile(f.t.Context(), e)
	if err := f.Get(f.t.Context(), key, e); err != nil {
		f.t.Fatal(err)
	}
	return e, result.RequeueAfter, err
}

func aTarget(name string, health v1alpha1.TargetHealth, rows ...v1alpha1.InstalledRelease) *v1alpha1.DeploymentTarget {
	return &v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name)},
		Spec:   v1alpha1.DeploymentTargetSpec{Environments: []v1alpha1.ObjectName{"production"}},
		Status: v1alpha1.DeploymentTargetStatus{Health: health, Installed: rows}}
}

func has(project, release string, phase v1alpha1.InstalledPhase) v1alpha1.InstalledRelease {
	return v1alpha1.InstalledRelease{Project: project, Environment: "production", Release: release, Phase: phase}
}

func TestWhatRunsInAnEnvironment(t *testing.T) {
	elsewhere := aTarget("web-9", v1alpha1.HealthHealthy, has("shop", "9.0.0", v1alpha1.InstalledSucceeded))
	elsewhere.Spec.Environments = []v1alpha1.ObjectName{"test"}
	f := newFixture(t, elsewhere,
		aTarget("web-1", v1alpha1.HealthHealthy, has("shop", "1.1.0", v1alpha1.InstalledSucceeded), has("bank", "2.0.0", v1alpha1.InstalledFailed)),
		aTarget("web-2", v1alpha1.HealthHasWarnings, has("shop", "1.1.0", v1alpha1.InstalledSucceeded)),
		aTarget("web-3", v1alpha1.HealthUnavailable, has("shop", "1.0.0", v1alpha1.InstalledSucceeded)),
		aTarget("web-4", v1alpha1.HealthUntrusted), aTarget("web-5", v1alpha1.HealthUnhealthy), aTarget("web-6", ""))
	e, _, err := f.pass()
	if err != nil {
		t.Fatal(err)
	}
	want := v1alpha1.EnvironmentTargets{Total: 6, Healthy: 2, Unhealthy: 1, Unavailable: 1, Untrusted: 1, Unknown: 1}
	if diff := cmp.Diff(want, e.Status.Targets); diff != "" {
		t.Error(diff)
	}
	current := []v1alpha1.CurrentRelease{{Project: "bank", Targets: "0/1", Others: "1 failed"}, {Project: "shop", Release: "1.1.0", Targets: "2/3", Others: "1.0.0 1"}}
	if diff := cmp.Diff(current, e.Status.Current); diff != "" {
		t.Error(diff)
	}
	if want := "bank 0/1 (1 failed), shop 1.1.0 2/3 (1.0.0 1)"; e.Status.Running != want {
		t.Errorf("the column shows %q, not %q", e.Status.Running, want)
	}
}

// Runbooks that were run once are no releases that run here. A project whose packages or binding are there is, and one that
// is gone, whose release may be there still.
func TestRunbooksAreNotCurrent(t *testing.T) {
	project := func(name string, packages ...v1alpha1.ProjectPackage) *v1alpha1.Project {
		return &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Spec: v1alpha1.ProjectSpec{Packages: packages}}
	}
	binding := func(project, environment v1alpha1.ObjectName) *v1alpha1.ReleaseBinding {
		return &v1alpha1.ReleaseBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: string(project + "-" + environment)},
			Spec: v1alpha1.ReleaseBindingSpec{Project: project, Environment: environment}}
	}
	var rows []v1alpha1.InstalledRelease
	for _, name := range []string{"bank", "elsewhere", "gone", "ops", "scripts"} {
		rows = append(rows, has(name, "1.0.0", v1alpha1.InstalledSucceeded))
	}
	f := newFixture(t, aTarget("web-1", v1alpha1.HealthHealthy, rows...), project("bank", v1alpha1.ProjectPackage{Name: "web"}), project("ops"),
		project("elsewhere"), binding("elsewhere", "test"), project("scripts"), binding("scripts", "production"))
	e, _, err := f.pass()
	if err != nil {
		t.Fatal(err)
	}
	if want := "bank 1.0.0 1/1, gone 1.0.0 1/1, scripts 1.0.0 1/1"; e.Status.Running != want || len(e.Status.Current) != 3 {
		t.Errorf("the column shows %q, not %q", e.Status.Running, want)
	}
}

func TestTheColumnOfManyProjectsStaysShort(t *testing.T) {
	var rows []v1alpha1.InstalledRelease
	for n := range 32 {
		rows = append(rows, has(fmt.Sprintf("project-%02d", n), "1.0.0", v1alpha1.InstalledSucceeded))
	}
	e, _, err := newFixture(t, aTarget("web-1", v1alpha1.HealthHealthy, rows...)).pass()
	if err != nil {
		t.Fatal(err)
	}
	shown := e.Status.Running
	if !strings.HasPrefix(shown, "project-00 1.0.0 1/1, project-01 1.0.0 1/1, ") || !strings.HasSuffix(shown, " and 27 more") || len(shown) > 140 {
		t.Errorf("%d characters: %s", len(shown), shown)
	}
}

func TestWritesAreJoined(t *testing.T) {
	f := newFixture(t, aTarget("web-1", v1alpha1.HealthHealthy))
	if _, _, err := f.pass(); err != nil || f.writes != 1 {
		t.Fatalf("%v, %d writes", err, f.writes)
	}
	for n := range 30 { // a machine joins every second
		if err := f.Create(t.Context(), aTarget(fmt.Sprintf("late-%d", n), v1alpha1.HealthHealthy)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := f.pass(); err != nil {
			t.Fatal(err)
		}
		f.clock = f.clock.Add(time.Second)
	}
	if f.writes < 3 || f.writes > 5 {
		t.Errorf("%d writes in half a minute", f.writes)
	}
	_, again, err := f.pass()
	f.clock = f.clock.Add(again)
	e, _, _ := f.pass()
	if err != nil || e.Status.Targets.Total != 31 {
		t.Errorf("at last %d targets, %v", e.Status.Targets.Total, err)
	}
}

func TestOnlyALostIdentityIsCalledLost(t *testing.T) {
	f := newFixture(t)
	f.err = errors.New("the API server is away")
	if e, _, err := f.pass(); err == nil || meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionStalled) != nil {
		t.Errorf("%v, %+v", err, e.Status.Conditions)
	}
	f.err = fmt.Errorf("%w: Secret gone", identity.ErrLost)
	e, again, err := f.pass()
	if err != nil || again == 0 || !meta.IsStatusConditionTrue(e.Status.Conditions, v1alpha1.ConditionStalled) {
		t.Errorf("%v, again after %s, %+v", err, again, e.Status.Conditions)
	}
	f.err, f.clock = nil, f.clock.Add(again)
	for range 3 {
		_, again, err = f.pass()
		f.clock = f.clock.Add(again)
	}
	if e, _, _ := f.pass(); err != nil || !meta.IsStatusConditionTrue(e.Status.Conditions, v1alpha1.ConditionReady) {
		t.Errorf("it was restored: %v, %+v", err, e.Status.Conditions)
	}
}

func TestAnEnvironmentThatIsGoneIsForgotten(t *testing.T) {
	f := newFixture(t, aTarget("web-1", v1alpha1.HealthHealthy))
	e, _, err := f.pass()
	if err != nil || len(f.throttles) != 1 {
		t.Fatalf("%d are remembered, %v", len(f.throttles), err)
	}
	if err := f.Delete(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Reconciler.pass(t.Context(), reconcile.Request{NamespacedName: client.ObjectKeyFromObject(e)}); err != nil || len(f.throttles) != 0 {
		t.Errorf("%d are remembered, %v", len(f.throttles), err)
	}
}
