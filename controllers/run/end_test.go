package run

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// What a run that has ended needed is let go, and its actions were before.
func TestARunThatHasEndedLeavesNothing(t *testing.T) {
	s := newStage(t, process(deploy("install")), []string{"web-1"})
	s.passes()
	s.ends("web-1", "install", v1alpha1.StepSucceeded)
	if run := s.passes(); run.Status.Phase != v1alpha1.RunSucceeded || !s.released[runUID] {
		t.Errorf("the run is %s, its packages were released: %v", run.Status.Phase, s.released)
	}
	if m := s.memory; len(m.runs)+len(m.turns)+len(m.deleted)+len(s.actions) != 0 {
		t.Errorf("kept are %v %v %v, and %d actions", m.runs, m.turns, m.deleted, len(s.actions))
	}
}

// A run that was skipped is no success to wait for, and no failure that needs a person: its targets are deployed to when
// they are back.
func TestARunThatIsSkippedNeedsNobody(t *testing.T) {
	s := newStage(t, process(deploy("install")), []string{"web-1"})
	target := &v1alpha1.DeploymentTarget{}
	if err := s.client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "web-1"}, target); err != nil {
		t.Fatal(err)
	}
	target.Spec.Cordoned = true
	if err := s.client.Update(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	run := s.passes()
	if run.Status.Phase != v1alpha1.RunSkipped || !meta.IsStatusConditionFalse(run.Status.Conditions, v1alpha1.ConditionReady) {
		t.Fatalf("the run is %s: %+v", run.Status.Phase, run.Status.Conditions)
	}
	for _, kind := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling} {
		if c := meta.FindStatusCondition(run.Status.Conditions, kind); c != nil {
			t.Errorf("a run that was skipped is %s: %s", kind, c.Message)
		}
	}
}

// A run that does not get to its targets lets others of its project in the environment go.
func TestATurnIsGivenBack(t *testing.T) {
	m, first, second := newMemory(), aRun("first"), aRun("second")
	both := map[types.UID]bool{first.UID: true, second.UID: true}
	if m.acquireTurn(first, both) != first.UID || m.acquireTurn(second, both) != first.UID {
		t.Fatal("two runs have one turn")
	}
	m.releaseTurn(second) // which is not its own
	if m.acquireTurn(second, both) != first.UID {
		t.Fatal("the turn was taken away")
	}
	m.releaseTurn(first)
	if m.acquireTurn(second, both) != second.UID {
		t.Error("the turn was not given back")
	}
	m.end(nameOf(first))
	m.end(nameOf(second))
	if len(m.runs)+len(m.turns) != 0 {
		t.Errorf("kept are %v %v", m.runs, m.turns)
	}
}

// The cache often shows a run as it was before its end for a moment longer. It must not end twice: people would read of
// it twice, and it would have ended later.
func TestARunEndsOnceWhateverTheCacheShows(t *testing.T) {
	for name, change := range map[string]func(*v1alpha1.DeploymentRun){
		"before it began":  func(r *v1alpha1.DeploymentRun) { r.Spec.State = v1alpha1.RunStateCancel },
		"without a target": func(*v1alpha1.DeploymentRun) {},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStub(t, aRun("only", change))
			var old *v1alpha1.DeploymentRun
			s.turns("the run ends", func() bool {
				run := s.get("only")
				if run.Status.Phase.IsTerminal() {
					return true
				}
				old = run
				return false
			}, "only")
			end := s.get("only").Status.FinishTime
			s.now = s.now.Add(time.Minute)
			if _, err := s.Reconcile(t.Context(), ctrl.Request{NamespacedName: nameOf(old)}); err != nil {
				t.Fatal(err)
			}
			if run := s.get("only"); !run.Status.FinishTime.Equal(end) {
				t.Errorf("it ended at %s, and then at %s", end, run.Status.FinishTime)
			}
			if told := s.events(); strings.Count(strings.Join(told, "\n"), " Started ") > 1 || len(told) != strings.Count(strings.Join(told, "\n"), " Started ")+1 {
				t.Errorf("the events are %q", told)
			}
		})
	}
}
