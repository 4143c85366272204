package run

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
)

const oldRelease = "shop-0.9.0-0123456789"

// ended is a person's run that has begun and ended at a time.
func endedRun(name string, at time.Time) *v1alpha1.DeploymentRun {
	return aRun(name, func(r *v1alpha1.DeploymentRun) {
		r.Status = v1alpha1.DeploymentRunStatus{Phase: v1alpha1.RunSucceeded, Slices: 1, StartTime: &metav1.Time{Time: at}, FinishTime: &metav1.Time{Time: at}}
	})
}

// sliceOf are a run's rows: something began on each of these targets.
func sliceOf(run *v1alpha1.DeploymentRun, targets ...*v1alpha1.DeploymentTarget) *v1alpha1.DeploymentRunSlice {
	s := &v1alpha1.DeploymentRunSlice{ObjectMeta: metav1.ObjectMeta{Namespace: run.Namespace, Name: ledger.SliceName(run.Name, 0),
		Labels: map[string]string{v1alpha1.LabelRunUID: string(run.UID)}}}
	for _, t := range targets {
		s.Spec.Targets = append(s.Spec.Targets, v1alpha1.SliceTarget{Name: t.Name, UID: t.UID, Thumbprint: t.Spec.Thumbprint})
		s.Status.Results = append(s.Status.Results, v1alpha1.TargetResult{Target: t.Name, Phase: v1alpha1.StepSucceeded,
			Steps: []v1alpha1.ActionStatus{{Name: "install", Phase: v1alpha1.StepSucceeded, Sent: true, Attempt: 1, StartTime: run.Status.StartTime}}})
	}
	return s
}

// shows is a target's row of a run.
func shows(run types.UID, snapshot string, at time.Time) func(*v1alpha1.DeploymentTarget) {
	return func(t *v1alpha1.DeploymentTarget) {
		t.Status.Installed = []v1alpha1.InstalledRelease{{Project: "shop", Environment: "production", Snapshot: snapshot, RunUID: run,
			Phase: v1alpha1.InstalledSucceeded, Time: &metav1.Time{Time: at}}}
	}
}

// aBinding wishes release 1.0.0, and next is a run that it made.
func aBinding(s *stub) (b *v1alpha1.ReleaseBinding, next *v1alpha1.DeploymentRun) {
	b = &v1alpha1.ReleaseBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "shop-production", UID: "binding"},
		Spec: v1alpha1.ReleaseBindingSpec{Project: "shop", Environment: "production", Release: "1.0.0"}}
	release := &v1alpha1.Release{}
	if err := s.Client.Get(s.t.Context(), client.ObjectKey{Namespace: "shop", Name: "shop-1.0.0"}, release); err != nil {
		s.t.Fatal(err)
	}
	next = aRun("next", func(r *v1alpha1.DeploymentRun) {
		r.Labels = map[string]string{v1alpha1.LabelBindingUID: string(b.UID)}
		r.Annotations = map[string]string{v1alpha1.AnnotationDesiredHash: desired.Hash(release.Status.Snapshot, nil), v1alpha1.AnnotationSequence: "1"}
		r.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(b, v1alpha1.GroupVersion.WithKind("ReleaseBinding"))}
	})
	for _, o := range []client.Object{b, next} {
		if err := s.Client.Create(s.t.Context(), o); err != nil {
			s.t.Fatal(err)
		}
	}
	return b, next
}

// A person's run ends and the binding's, which waited for it, begins at once: what the first did is in its slices, but no
// target shows it yet. The second must not deploy the same once more.
func TestABindingsRunWaitsUntilTargetsShowTheRunBefore(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	before, first := endedRun("before", now), endedRun("first", now)
	web := aTarget("web-1", shows(before.UID, oldRelease, now)) // in the same second
	s := newStub(t, web, aTarget("web-2"), before, sliceOf(before, web), first, sliceOf(first, web))
	aBinding(s)
	for range 5 {
		s.pass("next")
	}
	waiting := s.get("next")
	if c := waiting.Status.Conditions[0]; c.Reason != v1alpha1.ReasonRecording || !strings.Contains(c.Message, "run first") || !strings.Contains(c.Message, "web-1") {
		t.Fatalf("%s %s: %s", waiting.Status.Phase, c.Reason, c.Message)
	}
	release := &v1alpha1.Release{}
	if err := s.Client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "shop-1.0.0"}, release); err != nil {
		t.Fatal(err)
	}
	s.shows("web-1", first.UID, release.Status.Snapshot)
	s.turns("the run begins", s.in("next", v1alpha1.RunRunning), "next")
	if total := s.get("next").Status.Targets.Total; total != 1 {
		t.Errorf("it takes %d targets, wanted only the one without the release", total)
	}
}

// A target may never come to show what a run did, as where its status cannot be written. The next run, and those behind it,
// wait for it not for ever.
func TestABindingsRunWaitsForTheRunBeforeNotForEver(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	first := endedRun("first", now)
	web := aTarget("web-1")
	s := newStub(t, web, first, sliceOf(first, web))
	s.now = now.Add(time.Hour) // nobody was there: the targets get their time all the same
	aBinding(s)
	s.pass("next")
	s.now = s.now.Add(5 * time.Minute)
	if c := s.pass("next").Status.Conditions[0]; c.Reason != v1alpha1.ReasonRecording {
		t.Fatalf("%s: %s", c.Reason, c.Message)
	}
	s.now = s.now.Add(time.Second)
	s.turns("the run begins", s.in("next", v1alpha1.RunRunning), "next")
}

// shows writes what a target has into its status.
func (s *stub) shows(target string, run types.UID, snapshot string) {
	s.t.Helper()
	t := &v1alpha1.DeploymentTarget{}
	if err := s.Client.Get(s.t.Context(), client.ObjectKey{Namespace: "shop", Name: target}, t); err != nil {
		s.t.Fatal(err)
	}
	shows(run, snapshot, s.now)(t)
	if err := s.Client.Status().Update(s.t.Context(), t); err != nil {
		s.t.Fatal(err)
	}
}

// leaving is a run that was deleted while it went, and has ended since. It began on web-1 and web-2, and web-2 was set up
// anew afterwards.
func leaving(t *testing.T) *stub {
	t.Helper()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	run := endedRun("gone", now)
	run.Finalizers, run.DeletionTimestamp, run.Status.Phase = []string{v1alpha1.FinalizerRun}, &metav1.Time{Time: now}, v1alpha1.RunCancelled
	web, anew := aTarget("web-1"), aTarget("web-2")
	rows := sliceOf(run, web, anew)
	anew.Spec.Thumbprint = strings.Repeat("B", 40)
	return newStub(t, run, rows, web, anew)
}

// The rows of a run go with it. What it did must be on the targets by then, or a binding would not know of it.
func TestARunThatIsDeletedStaysUntilItsTargetsShowIt(t *testing.T) {
	s := leaving(t)
	if s.pass("gone") == nil {
		t.Fatal("the run is gone, and web-1 does not tell what it did")
	}
	s.shows("web-1", "gone", oldRelease)
	if run := s.pass("gone"); run != nil {
		t.Errorf("the run is still there: %+v", run.ObjectMeta)
	}
}

func TestARunThatIsDeletedWaitsForItsTargetsNotForEver(t *testing.T) {
	s := leaving(t)
	s.now = s.now.Add(31 * time.Second)
	if run := s.pass("gone"); run != nil {
		t.Errorf("the run is still there: %+v", run.ObjectMeta)
	}
}

func TestARunThatIsDeletedWithItsNamespaceGoesAtOnce(t *testing.T) {
	s := leaving(t)
	if err := s.Client.Delete(t.Context(), s.namespace()); err != nil {
		t.Fatal(err)
	}
	if run := s.pass("gone"); run != nil {
		t.Errorf("the run is still there: %+v", run.ObjectMeta)
	}
}
