package run

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
)

const host = "web-1 (web-1.example:10933)"

// cancel is a person's.
func (s *stage) cancel() {
	s.t.Helper()
	run := &v1alpha1.DeploymentRun{}
	if err := s.client.Get(s.t.Context(), client.ObjectKey{Namespace: "shop", Name: "run"}, run); err != nil {
		s.t.Fatal(err)
	}
	run.Spec.State = v1alpha1.RunStateCancel
	if err := s.client.Update(s.t.Context(), run); err != nil {
		s.t.Fatal(err)
	}
}

func TestWhatIsAbandonedIsSaidWithItsHost(t *testing.T) {
	for _, newLeader := range []bool{false, true} {
		s := newStage(t, process(script("install")), []string{"web-1"})
		s.passes()
		if newLeader {
			s.newLeader()
		}
		s.cancel()
		s.passes()
		s.clock = s.clock.Add(10 * time.Minute)
		run := s.passes()
		row, ended := s.row("web-1", "install"), readyMessage(run)
		if row.Phase != v1alpha1.StepAbandoned || !strings.HasSuffix(row.Message, ": "+host) {
			t.Errorf("the row says %s: %s", row.Phase, row.Message)
		}
		if run.Status.Phase != v1alpha1.RunAbandoned || !strings.Contains(ended, host) {
			t.Errorf("the run says %s", ended)
		}
	}
}

func TestWhatTheMachineAbandonedIsSaidWithItsHost(t *testing.T) {
	s := newStage(t, process(script("install")), []string{"web-1"})
	s.passes()
	s.cancel()
	s.passes()
	ticket := s.ticket("web-1", "install")
	s.reports[ticket] = dispatch.Report{Ticket: ticket, Phase: v1alpha1.StepAbandoned, Sent: true, Reason: v1alpha1.ReasonAbandoned,
		Message: "processes survived the cancel", Pids: []int{4711}}
	run := s.passes()
	if row := s.row("web-1", "install"); row.Message != "processes survived the cancel: process 4711 on "+host {
		t.Errorf("the row says %s: %s", row.Phase, row.Message)
	}
	if ended := readyMessage(run); run.Status.Phase != v1alpha1.RunAbandoned || !strings.Contains(ended, "process 4711 on "+host) {
		t.Errorf("the run says %s", ended)
	}
}

func TestATargetThatIsNoLongerTheRunsIsSaidWithItsHost(t *testing.T) {
	s := newStage(t, process(script("install")), []string{"web-1"}, []string{"web-2"})
	s.passes()
	if err := s.client.Delete(t.Context(), &v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1"}}); err != nil {
		t.Fatal(err)
	}
	s.clock = s.clock.Add(time.Minute)
	s.passes()
	if row := s.row("web-1", "install"); row.Reason != v1alpha1.ReasonTargetDeleted || !strings.HasSuffix(row.Message, ": "+host) {
		t.Errorf("web-1: %s: %s", row.Reason, row.Message)
	}
	s.newLeader()
	s.changeTarget("web-2", func(t *v1alpha1.DeploymentTarget) { t.Spec.Thumbprint = strings.Repeat("B", 40) })
	s.passes()
	if row := s.row("web-2", "install"); row.Reason != v1alpha1.ReasonTargetChanged || !strings.HasSuffix(row.Message, ": web-2 (web-2.example:10933)") {
		t.Errorf("web-2: %s: %s", row.Reason, row.Message)
	}
	if len(s.actions) > 0 {
		t.Errorf("the machine of the other thumbprint was asked: %d", len(s.actions))
	}
}

// readyMessage is what the run's Ready condition says.
func readyMessage(run *v1alpha1.DeploymentRun) string {
	for _, c := range run.Status.Conditions {
		if c.Type == v1alpha1.ConditionReady {
			return c.Message
		}
	}
	return string(run.Status.Phase)
}
