package run

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/packages"
)

// A package is fetched for longer than the step may take, and the leader changes just after the script was sent. The next
// leader does not know when that was, and must not count the fetching.
func TestANewLeaderDoesNotCountWhatCameBeforeTheScript(t *testing.T) {
	install := deploy("install")
	install.Timeout = &metav1.Duration{Duration: time.Minute}
	s := newStage(t, process(install), []string{"web-1"})
	s.packageState = packages.Pending
	s.passes()
	s.clock = s.clock.Add(30 * time.Minute)
	s.packageState = packages.Ready
	s.passes()
	s.clock = s.clock.Add(time.Second)
	s.passes()
	if row := s.row("web-1", "install"); !row.Sent {
		t.Fatalf("the row says %+v", row)
	}
	s.newLeader()
	s.passes()
	if s.cancelled[s.ticket("web-1", "install")] {
		t.Error("the script was cancelled a second after it was sent")
	}
	s.clock = s.clock.Add(time.Minute + 31*time.Second) // it is over, and the engine did not end it
	s.passes()
	if !s.cancelled[s.ticket("web-1", "install")] {
		t.Error("the script was never cancelled")
	}
}

// Somebody deletes a slice of a run that goes on. Nobody can write down what happens any more.
func TestASliceThatGoesAwayIsTold(t *testing.T) {
	for name, cancel := range map[string]bool{"it is told": false, "the run can be cancelled": true} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, process(script("install")), []string{"web-1"})
			s.passes()
			slice := &v1alpha1.DeploymentRunSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "run-000"}}
			if err := s.client.Delete(t.Context(), slice); err != nil {
				t.Fatal(err)
			}
			s.ends("web-1", "install", v1alpha1.StepSucceeded)
			s.clock = s.clock.Add(time.Minute)
			if _, _, err := s.pass(); !apierrors.IsNotFound(err) {
				t.Fatalf("the pass gives %v", err)
			}
			if cancel {
				run := s.run()
				run.Spec.State = v1alpha1.RunStateCancel
				if err := s.client.Update(t.Context(), run); err != nil {
					t.Fatal(err)
				}
			}
			run, _, err := s.pass()
			if err != nil {
				t.Fatal(err)
			}
			if cancel && (run.Status.Phase != v1alpha1.RunCancelled || len(s.actions) != 0) {
				t.Errorf("the run says %s; %d actions are kept", waits(run), len(s.actions))
			}
			if stalled := meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionStalled); !cancel && (stalled == nil || stalled.Reason != v1alpha1.ReasonRecordsLost) {
				t.Errorf("the run says %s", waits(run))
			}
		})
	}
}

// A row that says neither that its action runs nor how it ended, as one of a later operator may, is nothing to carry out.
func TestARowOfAnUnknownPhaseIsNotCarriedOut(t *testing.T) {
	s := newStage(t, process(script("install"), script("smoke")), []string{"web-1"})
	var slice v1alpha1.DeploymentRunSlice
	if err := s.client.Get(t.Context(), types.NamespacedName{Namespace: "shop", Name: "run-000"}, &slice); err != nil {
		t.Fatal(err)
	}
	slice.Status.Results = []v1alpha1.TargetResult{{Target: "web-1", Phase: v1alpha1.StepRunning, Steps: []v1alpha1.ActionStatus{{Name: "smoke", Phase: "Retrying", Attempt: 1}}}}
	if err := s.client.Status().Update(t.Context(), &slice); err != nil {
		t.Fatal(err)
	}
	s.passes()
	if s.actions[s.ticket("web-1", "smoke")] != nil || s.actions[s.ticket("web-1", "install")] == nil {
		t.Errorf("carried out are %v", s.actions)
	}
	s.ends("web-1", "install", v1alpha1.StepSucceeded)
	s.clock = s.clock.Add(time.Minute)
	s.passes()
	if row := s.row("web-1", "smoke"); row.Phase != v1alpha1.StepRunning || row.Attempt != 2 {
		t.Errorf("the row says %+v", row)
	}
}

// A conflict and what is reported meanwhile: the result that was drained by the pass before is not lost.
func TestAResultSurvivesAConflict(t *testing.T) {
	s := newStage(t, process(script("install")), []string{"web-1"})
	s.passes()
	s.ends("web-1", "install", v1alpha1.StepSucceeded)
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "deploymentrunslices"}, "run-000", errAway)
	s.writes = func(string) error { return conflict }
	s.clock = s.clock.Add(time.Minute)
	if _, again, err := s.pass(); err != nil || again <= 0 {
		t.Fatalf("after a conflict: again in %s, %v", again, err)
	}
	s.writes = func(string) error { return nil }
	if run := s.passes(); run.Status.Phase != v1alpha1.RunSucceeded || s.row("web-1", "install").Phase != v1alpha1.StepSucceeded {
		t.Errorf("the run says %s", waits(run))
	}
}

// A run of more targets than slices can hold ends, and says why.
func TestARunOfTooManyTargetsEnds(t *testing.T) {
	one, many := process(script("install")), process()
	for i := range v1alpha1.MaxLeafActions {
		many.Steps = append(many.Steps, script(v1alpha1.StepName(fmt.Sprintf("s%d", i))))
	}
	for _, c := range []struct {
		process v1alpha1.ProjectSpec
		most    int
	}{{one, 50_000}, {many, 3500}} {
		if o := tooMany(&c.process, c.most); o != nil {
			t.Errorf("%d targets: %+v", c.most, o)
		}
		if o := tooMany(&c.process, c.most+1); o == nil || o.Phase != v1alpha1.RunFailed || !strings.Contains(o.Message, fmt.Sprint(c.most+1)) {
			t.Errorf("%d targets: %+v", c.most+1, o)
		}
	}
}

// What could not be deleted of a run that is gone is deleted by a later pass.
func TestOutputThatCannotBeDeletedIsNotForgotten(t *testing.T) {
	s := newStage(t, process(script("install")), []string{"web-1"})
	gone := types.NamespacedName{Namespace: "shop", Name: "gone"}
	s.memory.noteDeleted(gone, "first")
	s.memory.noteDeleted(gone, "second")
	s.Logs = &brokenLogs{stage: s, broken: 1}
	if _, err := s.Reconcile(t.Context(), ctrl.Request{NamespacedName: gone}); !errors.Is(err, errAway) {
		t.Fatalf("the pass gives %v", err)
	}
	if _, err := s.Reconcile(t.Context(), ctrl.Request{NamespacedName: gone}); err != nil {
		t.Fatal(err)
	}
	if s.deleted["first"] != 1 || s.deleted["second"] != 1 || len(s.memory.deleted) != 0 {
		t.Errorf("deleted is %v, left are %v", s.deleted, s.memory.deleted)
	}
}

// brokenLogs cannot delete for some time.
type brokenLogs struct {
	*stage
	broken int
}

func (l *brokenLogs) Delete(namespace string, uid types.UID) error {
	if l.broken--; l.broken >= 0 {
		return errAway
	}
	return l.stage.Delete(namespace, uid)
}

// A process that cannot be read, as that of a later operator may be: the run says so, and can be cancelled and deleted.
func TestAProcessThatCannotBeReadIsTold(t *testing.T) {
	for name, end := range map[string]func(*stage){
		"it is told": nil,
		"the run can be cancelled": func(s *stage) {
			run := s.run()
			run.Spec.State = v1alpha1.RunStateCancel
			if err := s.client.Update(t.Context(), run); err != nil {
				t.Fatal(err)
			}
		},
		"the run can be deleted": func(s *stage) {
			if err := s.client.Delete(t.Context(), s.run()); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, process(script("install")), []string{"web-1"})
			var revision appsv1.ControllerRevision
			if err := s.client.Get(t.Context(), types.NamespacedName{Namespace: "shop", Name: frozen}, &revision); err != nil {
				t.Fatal(err)
			}
			revision.Data.Raw = []byte(`{"version":2,"process":{}}`)
			if err := s.client.Update(t.Context(), &revision); err != nil {
				t.Fatal(err)
			}
			if end != nil {
				end(s)
			}
			if _, err := s.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "run"}}); err != nil {
				t.Fatal(err)
			}
			run := &v1alpha1.DeploymentRun{}
			err := s.client.Get(t.Context(), types.NamespacedName{Namespace: "shop", Name: "run"}, run)
			stalled := meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionStalled)
			if err == nil && (stalled == nil || !strings.Contains(stalled.Message, "has version 2") || run.Status.Phase.IsTerminal() != (end != nil)) {
				t.Errorf("the run says %s", waits(run))
			}
		})
	}
}
