package run

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/packages"
)

func (s *stage) run() *v1alpha1.DeploymentRun {
	s.t.Helper()
	run := &v1alpha1.DeploymentRun{}
	if err := s.client.Get(s.t.Context(), client.ObjectKey{Namespace: "shop", Name: "run"}, run); err != nil {
		s.t.Fatal(err)
	}
	return run
}

// A report often comes before the cache shows what the pass before wrote. What is computed equal to the old view must be
// written all the same: nobody computes the status of a run again that has ended.
func TestTheFinalStatusIsRightThoughTheCacheIsLate(t *testing.T) {
	s := newStage(t, process(script("install")), []string{"web-1"})
	s.shown = s.run()
	s.passes()
	if n := s.run().Status.Targets; n.Running != 1 {
		t.Fatalf("the run counts %+v", n)
	}
	s.ends("web-1", "install", v1alpha1.StepSucceeded)
	s.clock = s.clock.Add(time.Minute)
	run := s.passes()
	if n := run.Status.Targets; run.Status.Phase != v1alpha1.RunSucceeded || n.Running != 0 || n.Succeeded != 1 || run.Status.CurrentStep != "" {
		t.Errorf("the run is %s, at step %q, and counts %+v", run.Status.Phase, run.Status.CurrentStep, n)
	}
}

// Somebody takes the finalizer of a run away while an action of it is prepared.
func TestARunThatVanishesLeavesNothing(t *testing.T) {
	s := newStage(t, process(deploy("install")), []string{"web-1"})
	s.packageState = packages.Pending
	s.passes()
	if len(s.actions) != 1 {
		t.Fatalf("%d actions are prepared", len(s.actions))
	}
	run := s.run()
	run.Finalizers = nil
	if err := s.client.Update(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	if err := s.client.Delete(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	s.memory.noteDeleted(nameOf(run), run.UID)
	s.packageState = packages.Ready
	if _, err := s.Reconcile(t.Context(), ctrl.Request{NamespacedName: nameOf(run)}); err != nil {
		t.Fatal(err)
	}
	if len(s.actions) != 0 || len(s.started) != 0 {
		t.Errorf("%d actions are kept, started are %v", len(s.actions), s.started)
	}
	if m := s.memory; len(m.runs)+len(m.spaces)+len(m.turns)+len(m.deleted) != 0 || s.deleted[run.UID] != 1 {
		t.Errorf("kept are %v %v %v; its output was deleted %d times", m.runs, m.turns, m.deleted, s.deleted[run.UID])
	}
}

// A run of the same name is another run.
func TestARunThatIsMadeAgainTakesNothingOver(t *testing.T) {
	s := newStage(t, process(script("install")), []string{"web-1"})
	s.passes()
	before := s.run()
	again := before.DeepCopy()
	before.Finalizers = nil
	if err := s.client.Update(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	if err := s.client.Delete(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	if err := s.client.DeleteAllOf(t.Context(), &v1alpha1.DeploymentRunSlice{}, client.InNamespace("shop")); err != nil { // the garbage collector
		t.Fatal(err)
	}
	again.UID, again.ResourceVersion, again.Status = "another", "", v1alpha1.DeploymentRunStatus{}
	if err := s.client.Create(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.pass(); err != nil {
		t.Fatal(err)
	}
	if known := s.memory.runs[nameOf(again)]; len(s.actions) != 0 || known != nil && known.uid != again.UID || s.deleted[before.UID] != 1 {
		t.Errorf("%d actions are carried on; known is %+v", len(s.actions), known)
	}
}

// The machine of a target is followed where the target is now.
func TestATargetThatMovesIsLocatedAnew(t *testing.T) {
	s := newStage(t, process(script("install")), []string{"web-1"})
	s.passes()
	ticket := s.ticket("web-1", "install")
	s.changeTarget("web-1", func(t *v1alpha1.DeploymentTarget) { t.Spec.Address = "elsewhere.example:20933" })
	s.passes()
	if !s.relocated[ticket] {
		t.Error("the dispatcher was not told")
	}
	if m, err := s.actions[ticket].Locate(t.Context()); err != nil || m.Address != "elsewhere.example:20933" {
		t.Errorf("it is located at %q, %v", m.Address, err)
	}
}

// A run that is fixed is not given other steps: its slices say what addresses whom.
func TestARoleThatComesLaterAddsNoStep(t *testing.T) {
	db := script("migrate", func(*v1alpha1.StepModifiers) {})
	db.Roles = []v1alpha1.Role{"db"}
	s := newStage(t, process(script("install"), db), []string{"web-1"})
	s.passes()
	s.changeTarget("web-1", func(t *v1alpha1.DeploymentTarget) { t.Spec.Roles = append(t.Spec.Roles, "db") })
	s.ends("web-1", "install", v1alpha1.StepSucceeded)
	if run := s.passes(); run.Status.Phase != v1alpha1.RunSucceeded || s.row("web-1", "migrate").Phase != "" {
		t.Errorf("the run is %s, the row of the step that did not address it %+v", run.Status.Phase, s.row("web-1", "migrate"))
	}
}

// Two processes wait on one machine: the one that waits says for whom.
func TestAnActionThatWaitsForTheMachineSaysForWhom(t *testing.T) {
	s := newStage(t, process(script("install")), []string{"web-1"})
	s.passes()
	ticket := s.ticket("web-1", "install")
	busy := s.report(s.actions[ticket])
	busy.Begun, busy.Reason, busy.Message = time.Time{}, v1alpha1.ReasonMachineBusy, "waits until another script on the machine has ended: run first-abc, step smoke"
	s.reports[ticket] = busy
	s.passes()
	s.clock = s.clock.Add(time.Minute)
	run := s.passes()
	if row := s.row("web-1", "install"); row.Reason != v1alpha1.ReasonMachineBusy || !strings.Contains(row.Message, "run first-abc, step smoke") {
		t.Errorf("the row says %s: %s", row.Reason, row.Message)
	}
	if got := waits(run); !strings.Contains(got, "MachineBusy") || !strings.Contains(got, "run first-abc, step smoke") {
		t.Errorf("the run says %s", got)
	}
}

// lateCache is a cache that does not show yet what another leader did.
type lateCache struct {
	client.Client
	shown client.Client
}

func (c lateCache) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if _, runs := list.(*v1alpha1.DeploymentRunList); runs {
		return c.shown.List(ctx, list, opts...)
	}
	return c.Client.List(ctx, list, opts...)
}

// The leader before let another run of the project in the environment begin; the cache of this one does not show it.
func TestASecondRunDoesNotBeginAfterAFailOver(t *testing.T) {
	other := aRun("other", func(r *v1alpha1.DeploymentRun) {
		r.CreationTimestamp = metav1.Date(2026, 11, 1, 11, 30, 0, 0, time.UTC)
	})
	before := newStub(t, aTarget("web-1"), aRun("only"), other)
	s := newStub(t, aTarget("web-1"), aRun("only"), aRun("other", func(r *v1alpha1.DeploymentRun) {
		r.Status.Phase, r.Status.StartTime = v1alpha1.RunRunning, &metav1.Time{Time: s0()}
	}))
	s.Reconciler = newReconciler(lateCache{s.Client, before.Client}, s.Client, s.recorder, s.Deps)
	run := s.pass("only")
	if run.Status.StartTime != nil || run.Status.Phase != v1alpha1.RunQueued {
		t.Errorf("it is %s, started at %v", run.Status.Phase, run.Status.StartTime)
	}
}

func s0() time.Time { return time.Date(2026, 11, 1, 11, 45, 0, 0, time.UTC) }

// intruder adds a finalizer to a run just before it is patched, as the garbage collector may.
type intruder struct {
	client.Client
	done bool
}

func (c *intruder) Patch(ctx context.Context, o client.Object, p client.Patch, opts ...client.PatchOption) error {
	if _, run := o.(*v1alpha1.DeploymentRun); run && !c.done {
		c.done = true
		var now v1alpha1.DeploymentRun
		if err := c.Get(ctx, client.ObjectKeyFromObject(o), &now); err != nil {
			return err
		}
		now.Finalizers = append(now.Finalizers, metav1.FinalizerDeleteDependents)
		if err := c.Update(ctx, &now); err != nil {
			return err
		}
	}
	return c.Client.Patch(ctx, o, p, opts...)
}

func TestTheFinalizerOfAnotherStays(t *testing.T) {
	run := endedRun("only", s0())
	run.Finalizers = []string{v1alpha1.FinalizerRun}
	s := newStub(t, run)
	late := &intruder{Client: s.Client}
	s.Reconciler = newReconciler(late, s.Client, s.recorder, s.Deps)
	for range 3 {
		s.pass("only")
	}
	if got := s.get("only").Finalizers; !slices.Equal(got, []string{metav1.FinalizerDeleteDependents}) || !late.done {
		t.Errorf("the finalizers are %v", got)
	}
}

// Another process writes, too, and ends the run: what this one had under way is let go.
func TestARunThatAnotherProcessEndsLeavesNothing(t *testing.T) {
	s := newStage(t, process(script("install")), []string{"web-1"})
	s.passes()
	if len(s.actions) != 1 {
		t.Fatalf("%d actions are under way", len(s.actions))
	}
	s.writes = func(string) error {
		return apierrors.NewConflict(schema.GroupResource{Resource: "deploymentrunslices"}, "run-000", errors.New("somebody was faster"))
	}
	s.ends("web-1", "install", v1alpha1.StepSucceeded)
	s.clock = s.clock.Add(time.Minute)
	if _, _, err := s.pass(); err != nil {
		t.Fatal(err)
	}
	run := s.run()
	run.Status.Phase = v1alpha1.RunSucceeded
	if err := s.client.Status().Update(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.pass(); err != nil {
		t.Fatal(err)
	}
	if m := s.memory; len(s.actions)+len(m.runs)+len(m.turns) != 0 {
		t.Errorf("kept are %v %v, and %d actions", m.runs, m.turns, len(s.actions))
	}
}
