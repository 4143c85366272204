package run

import (
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
)

// newAwayStage is a run whose only target is believed to be away, and is being connected to.
func newAwayStage(t *testing.T) (s *stage, ticket string) {
	t.Helper()
	s = newStage(t, process(script("install")), []string{"web-1"})
	target := &v1alpha1.DeploymentTarget{}
	if err := s.client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "web-1"}, target); err != nil {
		t.Fatal(err)
	}
	target.Status.Health = v1alpha1.HealthUnavailable
	if err := s.client.Update(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	s.passes()
	ticket = s.ticket("web-1", "install")
	if a := s.actions[ticket]; a == nil || !a.Away || a.Resume {
		t.Fatalf("the action is %+v", a)
	}
	return s, ticket
}

// connects has the one connection end.
func (s *stage) connects(ticket string, reachable bool) {
	r := dispatch.Report{Ticket: ticket, Target: "web-1", Step: "install", Phase: v1alpha1.StepRunning, Reachable: reachable}
	if !reachable {
		r.Phase, r.Unreached, r.Once, r.Reason, r.Finished = v1alpha1.StepFailed, true, true, v1alpha1.ReasonConnectionRefused, s.clock
	}
	s.reports[ticket] = r
}

// A leader that takes over does not know what was sent to a machine whose row is Running, and would follow one that is
// away for hours. To be connected to is no reason for a row.
func TestAMachineThatWasOnlyConnectedToIsNotFollowedByTheNextLeader(t *testing.T) {
	s, ticket := newAwayStage(t)
	if row := s.row("web-1", "install"); row.Phase != "" {
		t.Errorf("the row says %+v", row)
	}
	s.newLeader()
	s.passes()
	if a := s.actions[ticket]; a == nil || !a.Away || a.Resume {
		t.Fatalf("the next leader's action is %+v", a)
	}
	s.connects(ticket, false)
	run := s.passes()
	if row := s.row("web-1", "install"); run.Status.Phase != v1alpha1.RunSkipped || row.Sent || row.Reason != v1alpha1.ReasonUnavailable {
		t.Errorf("the run is %s, the row %+v", run.Status.Phase, row)
	}
}

// Before a machine that turns out to be there is sent anything, its row is written.
func TestAMachineThatCanBeConnectedToBegins(t *testing.T) {
	s, ticket := newAwayStage(t)
	s.connects(ticket, true)
	s.writes = func(string) error { return errAway }
	if _, _, err := s.pass(); err == nil || s.started[ticket] {
		t.Errorf("it was sent before its row was written: %v", err)
	}
	s.writes = func(string) error { return nil }
	delete(s.reports, ticket)
	s.passes()
	if a := s.actions[ticket]; a == nil || a.Away || a.Resume || !s.sent("web-1", "install") {
		t.Fatalf("the action is %+v", a)
	}
	s.ends("web-1", "install", v1alpha1.StepSucceeded)
	s.clock = s.clock.Add(time.Minute)
	if run := s.passes(); run.Status.Phase != v1alpha1.RunSucceeded {
		t.Errorf("the run says %s", waits(run))
	}
}

// A target that was only connected to has not begun: nothing is sent to it in a run that was cancelled meanwhile.
func TestAMachineThatCanBeConnectedToDoesNotBeginInARunThatWasCancelled(t *testing.T) {
	s, ticket := newAwayStage(t)
	run := s.run()
	run.Spec.State = v1alpha1.RunStateCancel
	if err := s.client.Update(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	s.connects(ticket, true)
	if run := s.passes(); run.Status.Phase != v1alpha1.RunCancelled || s.started[ticket] || len(s.actions) != 0 {
		t.Errorf("the run says %s; it was sent: %t", waits(run), s.started[ticket])
	}
}
