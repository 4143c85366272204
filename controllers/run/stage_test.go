package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
	"github.com/mantledeploy/mantle/controllers/internal/packages"
	"github.com/mantledeploy/mantle/controllers/internal/recorded"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// stage is a run whose set is fixed, with doors that the test opens and closes. It is the machines, the identities, the
// packages and the logs of the reconciler too.
type stage struct {
	t *testing.T
	*Reconciler
	client client.Client
	clock  time.Time
	// writes is asked before a slice is written, reads before an object is read past the cache.
	writes func(slice string) error
	reads  func(name string) error
	// shown is the run as the cache shows it; nil where the cache is not late.
	shown *v1alpha1.DeploymentRun
	// lost is what the identities answer, asked how often they were.
	lost  error
	asked int

	// actions are those that were dispatched and that nobody let go of yet.
	actions map[string]*staged
	// reports are what machines will say, by ticket.
	reports                            map[string]dispatch.Report
	acknowledged, cancelled, relocated map[string]bool
	// deleted counts how often the output of a run was.
	deleted map[types.UID]int
	// released are the runs for which nothing is fetched any more.
	released map[types.UID]bool
	// started are the scripts that machines have, whoever leads.
	started map[string]bool
	// packageState and packageErr are what the cache answers.
	packageState packages.State
	packageErr   error
}

// cached reads the run as a cache that may be late.
type cached struct {
	client.Client
	s *stage
}

func (c *cached) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if run, is := o.(*v1alpha1.DeploymentRun); is && c.s.shown != nil {
		c.s.shown.DeepCopyInto(run)
		return nil
	}
	return c.Client.Get(ctx, key, o, opts...)
}

// staged is an action on the stage: it is prepared as the dispatcher does, whenever its reports are drained.
type staged struct {
	dispatch.Action
	prepared *dispatch.Prepared
	waits    *dispatch.NotReady
	given    bool
	begun    time.Time
	drained  *dispatch.Report
}

const (
	runUID = "run-uid"
	frozen = "shop-1.0.0-0123456789"
)

// newStage makes a run over targets, one slice for each list of them.
func newStage(t *testing.T, process v1alpha1.ProjectSpec, slices ...[]string) *stage {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, appsv1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	s := &stage{t: t, clock: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), writes: func(string) error { return nil },
		reads: func(string) error { return nil }, reports: map[string]dispatch.Report{}, started: map[string]bool{}, deleted: map[types.UID]int{}, released: map[types.UID]bool{}, packageState: packages.Ready}
	funcs := interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			if _, slice := o.(*v1alpha1.DeploymentRunSlice); slice {
				if err := s.writes(o.GetName()); err != nil {
					return err
				}
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if err := s.reads(key.Name); err != nil {
				return err
			}
			return c.Get(ctx, key, o, opts...)
		},
	}
	objects := setting(t, process, slices)
	s.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithIndex(&v1alpha1.DeploymentRun{}, recorded.ByProject, recorded.ProjectOf).
		WithStatusSubresource(&v1alpha1.DeploymentRun{}, &v1alpha1.DeploymentRunSlice{}).WithInterceptorFuncs(funcs).Build()
	s.newLeader()
	return s
}

// setting is all that the run refers to.
func setting(t *testing.T, spec v1alpha1.ProjectSpec, slices [][]string) []client.Object {
	t.Helper()
	process, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	began := metav1.NewTime(time.Date(2026, 1, 1, 11, 0, 0, 0, time.UTC))
	run := &v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "run", UID: runUID, Finalizers: []string{v1alpha1.FinalizerRun}},
		Spec: v1alpha1.DeploymentRunSpec{Project: "shop", Release: "1.0.0", Environment: "production"},
		Status: v1alpha1.DeploymentRunStatus{Phase: v1alpha1.RunRunning, Snapshot: frozen, Slices: int32(len(slices)), StartTime: &began,
			Conditions: []metav1.Condition{{Type: v1alpha1.ConditionTargetsResolved, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonTargetsResolved}}}}
	objects := []client.Object{run, aRelease(),
		&v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "production"}},
		&appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: frozen}, Data: runtime.RawExtension{Raw: fmt.Appendf(nil, `{"version":1,"process":%s}`, process)}}}
	for i, names := range slices {
		var targets []v1alpha1.DeploymentTarget
		for _, name := range names {
			target := v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name)},
				Spec: v1alpha1.DeploymentTargetSpec{Address: name + ".example", Thumbprint: strings.Repeat("A", 40), Roles: []v1alpha1.Role{"web"}, Environments: []v1alpha1.ObjectName{"production"}}}
			targets = append(targets, target)
			objects = append(objects, &target)
		}
		slice := &ledger.Cut(run, &spec, targets)[0]
		slice.Name = ledger.SliceName(run.Name, i)
		objects = append(objects, slice)
	}
	return objects
}

func aRelease() *v1alpha1.Release {
	conditions := []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonResolved}}
	return &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "shop-1.0.0"}, Spec: v1alpha1.ReleaseSpec{Project: "shop", Version: "1.0.0"},
		Status: v1alpha1.ReleaseStatus{Snapshot: frozen, Conditions: conditions, Packages: []v1alpha1.ResolvedPackage{{Name: "web", Version: "1.0.0",
			ID: "https://feed.example/web", Digest: "sha256:" + strings.Repeat("1", 64), ContentDigest: "sha256:" + strings.Repeat("2", 64), Format: "tar.gz", Size: 1}}}}
}

func process(steps ...v1alpha1.Step) v1alpha1.ProjectSpec { return v1alpha1.ProjectSpec{Steps: steps} }

// deploy is a step that deploys the package.
func deploy(name v1alpha1.StepName) v1alpha1.Step {
	return v1alpha1.Step{Name: name, StepModifiers: v1alpha1.StepModifiers{Deploy: &v1alpha1.DeployStep{Package: "web"}}}
}

// script is a step that runs a script on every target.
func script(name v1alpha1.StepName, change ...func(*v1alpha1.StepModifiers)) v1alpha1.Step {
	s := v1alpha1.Step{Name: name, StepModifiers: v1alpha1.StepModifiers{Run: &v1alpha1.RunStep{Shell: v1alpha1.ShellBash, Script: "true"}}}
	for _, c := range change {
		c(&s.StepModifiers)
	}
	return s
}

// newLeader takes everything over: nothing is in memory, and no session knows of anything.
func (s *stage) newLeader() {
	s.actions, s.acknowledged, s.cancelled, s.relocated = map[string]*staged{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	s.Reconciler = newReconciler(&cached{Client: s.client, s: s}, s.client, events.NewFakeRecorder(100),
		Deps{Dispatcher: s, Identities: s, Packages: s, Logs: s, Now: func() time.Time { return s.clock }})
}

// pass is one pass; it gives the run as it is then, and when the next pass is.
func (s *stage) pass() (*v1alpha1.DeploymentRun, time.Duration, error) {
	s.t.Helper()
	run := &v1alpha1.DeploymentRun{}
	key := client.ObjectKey{Namespace: "shop", Name: "run"}
	if err := s.client.Get(s.t.Context(), key, run); err != nil {
		s.t.Fatal(err)
	}
	result, err := s.Reconcile(s.t.Context(), ctrl.Request{NamespacedName: key})
	if err := s.client.Get(s.t.Context(), key, run); err != nil {
		s.t.Fatal(err)
	}
	return run, result.RequeueAfter, err
}

// passes has the run go on until it does not ask for another pass at once.
func (s *stage) passes() *v1alpha1.DeploymentRun {
	s.t.Helper()
	for range 20 {
		run, again, err := s.pass()
		if err != nil {
			s.t.Fatal(err)
		}
		if len(s.news()) > 0 {
			continue
		}
		if again == 0 || again > time.Second {
			return run
		}
		s.clock = s.clock.Add(again)
	}
	s.t.Fatal("the run never rests")
	return nil
}

func (s *stage) ticket(target, path string) string { return step.Ticket(runUID, path, target, 1) }

// ends has a script end on its machine.
func (s *stage) ends(target, path string, phase v1alpha1.StepPhase) {
	ticket := s.ticket(target, path)
	s.reports[ticket] = dispatch.Report{Ticket: ticket, Phase: phase, Sent: true, Begun: s.clock, Finished: s.clock}
}

// sent tells whether an action was dispatched, and could be sent.
func (s *stage) sent(target, path string) bool {
	a := s.actions[s.ticket(target, path)]
	if a != nil {
		s.report(a)
	}
	return a != nil && s.started[a.Ticket]
}

// stored is what the slices say of a target.
func (s *stage) stored(target string) v1alpha1.TargetResult {
	s.t.Helper()
	var list v1alpha1.DeploymentRunSliceList
	if err := s.client.List(s.t.Context(), &list); err != nil {
		s.t.Fatal(err)
	}
	for _, slice := range list.Items {
		for _, result := range slice.Status.Results {
			if result.Target == target {
				return result
			}
		}
	}
	return v1alpha1.TargetResult{}
}

// row is what the slices say of an action.
func (s *stage) row(target, path string) v1alpha1.ActionStatus {
	s.t.Helper()
	for _, a := range s.stored(target).Steps {
		if a.Name == path {
			return a
		}
	}
	return v1alpha1.ActionStatus{}
}

func waits(run *v1alpha1.DeploymentRun) string {
	c := meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionReconciling)
	if c == nil {
		return string(run.Status.Phase)
	}
	return fmt.Sprintf("%s %s: %s", run.Status.Phase, c.Reason, c.Message)
}

func (s *stage) Dispatch(a dispatch.Action) {
	if known := s.actions[a.Ticket]; known != nil {
		known.drained = nil // it is told once more
		return
	}
	s.actions[a.Ticket] = &staged{Action: a}
}

// Drain lets every action try to be sent, and gives what is new of it.
func (s *stage) Drain(types.UID) []dispatch.Report {
	news := s.news()
	for i := range news {
		s.actions[news[i].Ticket].drained = &news[i]
	}
	return news
}

// news are the reports that were not drained yet; the dispatcher would have the run reconciled.
func (s *stage) news() []dispatch.Report {
	var news []dispatch.Report
	for _, ticket := range slices.Sorted(maps.Keys(s.actions)) {
		a := s.actions[ticket]
		if r := s.report(a); a.drained == nil || !reflect.DeepEqual(*a.drained, r) {
			news = append(news, r)
		}
	}
	return news
}

func (s *stage) report(a *staged) dispatch.Report {
	if a.Away {
		if r, said := s.reports[a.Ticket]; said {
			return r
		}
		return dispatch.Report{Ticket: a.Ticket, Target: a.Target, Step: a.Step, Phase: v1alpha1.StepRunning, Reason: v1alpha1.ReasonPreparing}
	}
	if r, said := s.reports[a.Ticket]; said && s.started[a.Ticket] {
		return r
	}
	r := dispatch.Report{Ticket: a.Ticket, Target: a.Target, Step: a.Step, Phase: v1alpha1.StepRunning}
	if a.prepared == nil && (!a.Resume || !s.started[a.Ticket]) {
		_, err := a.Locate(s.t.Context())
		if err == nil {
			var p dispatch.Prepared
			if p, err = a.Prepare(s.t.Context()); err == nil {
				a.prepared, s.started[a.Ticket] = &p, true
			}
		}
		switch {
		case err == nil:
		case errors.As(err, &a.waits):
			r.Reason, r.Message = a.waits.Reason, a.waits.Message
			if a.waits.Final || a.given {
				r.Phase = v1alpha1.StepFailed
			}
		default:
			r.Reason, r.Message = v1alpha1.ReasonNotPrepared, err.Error()
			if a.given {
				r.Phase = v1alpha1.StepFailed
			}
		}
	}
	if s.started[a.Ticket] {
		if a.begun.IsZero() {
			a.begun = s.clock
		}
		r.Sent, r.Begun = true, a.begun
	}
	return r
}

func (s *stage) Cancel(ticket string)   { s.cancelled[ticket] = true }
func (s *stage) Relocate(ticket string) { s.relocated[ticket] = true }
func (s *stage) Drop(ticket string)     { delete(s.actions, ticket) }
func (s *stage) GiveUp(ticket string) {
	if a := s.actions[ticket]; a != nil {
		a.given = true
	}
}

func (s *stage) Acknowledge(_ types.UID, _ session.Machine, ticket string) {
	s.acknowledged[ticket] = true
	delete(s.actions, ticket)
}
func (s *stage) Backlog(string) int { return 0 }
func (s *stage) Forget(types.UID)   { s.actions = map[string]*staged{} }
func (s *stage) For(context.Context, string) (*session.Identity, error) {
	if s.asked++; s.lost != nil {
		s.clock = s.clock.Add(time.Second) // as long as it takes to see that nobody answers
	}
	return &session.Identity{}, s.lost
}

func (s *stage) Ensure(packages.Owner, packages.Ref) (packages.Package, packages.State, error) {
	return packages.Package{}, s.packageState, s.packageErr
}
func (s *stage) RetryAt(packages.Ref) time.Time                                 { return time.Time{} }
func (s *stage) Open(packages.Ref) (io.ReadCloser, error)                       { return nil, io.EOF }
func (s *stage) Sink(string, types.UID, string, string, int32) dispatch.LogSink { return nil }
func (s *stage) Kept(string, types.UID, string, string, int32) bool             { return true }
func (s *stage) Delete(_ string, uid types.UID) error {
	s.deleted[uid]++
	return nil
}
func (s *stage) Release(uid types.UID) { s.released[uid] = true }
