package run

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/identity"
)

// secretive is a process whose script takes a value from a Secret on web-1, and a plain one elsewhere.
func secretive() v1alpha1.ProjectSpec {
	plain := "plain"
	p := process(script("install", func(m *v1alpha1.StepModifiers) {
		m.Run.Env = []v1alpha1.EnvVar{{Name: "PASSWORD", Value: "$(password)"}}
	}))
	p.Variables = []v1alpha1.Variable{{Name: "password", Values: []v1alpha1.VariableValue{{Value: &plain},
		{ValueFrom: &v1alpha1.ValueSource{SecretKeyRef: &v1alpha1.KeySelector{Name: "db", Key: "password"}}, Scope: &v1alpha1.VariableScope{Targets: []v1alpha1.ObjectName{"web-1"}}}}}}
	return p
}

func theSecret() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db"}, Data: map[string][]byte{"password": []byte("p")}}
}

// away makes the reads of one object fail as they do when the API server does not answer.
func away(name string) func(string) error {
	return func(read string) error {
		if read == name {
			return errAway
		}
		return nil
	}
}

func TestAnAPIServerThatIsAwayFailsNoStep(t *testing.T) {
	s := newStage(t, secretive(), []string{"web-1", "web-2"})
	if err := s.client.Create(t.Context(), theSecret()); err != nil {
		t.Fatal(err)
	}
	s.reads = away("db")
	s.passes()
	if sent := s.sent("web-2", "install"); !sent {
		t.Error("web-2, which needs no secret, had to wait too")
	}
	s.clock = s.clock.Add(time.Minute)
	run := s.passes()
	if row := s.row("web-1", "install"); row.Phase != v1alpha1.StepRunning || row.Sent || row.Reason != v1alpha1.ReasonNotPrepared {
		t.Errorf("web-1 has a row that says %s (%s, sent %t): %s", row.Phase, row.Reason, row.Sent, row.Message)
	}
	if run.Status.Waiting != 1 {
		t.Errorf("%d actions wait by the run's status, wanted that of web-1", run.Status.Waiting)
	}
	if got := waits(run); !strings.HasPrefix(got, "Running NotPrepared: ") || !strings.Contains(got, "web-1") || !strings.Contains(got, "the API server is away") {
		t.Errorf("the run does not say what it waits for: %s", got)
	}
	s.reads = away("")
	run = s.passes()
	if sent := s.sent("web-1", "install"); !sent {
		t.Error("web-1 did not begin when the API server was back")
	}
	if got := waits(run); !strings.HasPrefix(got, "Running Running: ") || run.Status.Waiting != 0 {
		t.Errorf("the run says %s, and that %d actions wait", got, run.Status.Waiting)
	}
}

func TestAValueThatMayNotBeReadFailsTheStep(t *testing.T) {
	s := newStage(t, secretive(), []string{"web-1"})
	s.reads = func(read string) error {
		if read == "db" {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, read, nil)
		}
		return nil
	}
	run := s.passes()
	if row := s.row("web-1", "install"); row.Phase != v1alpha1.StepFailed || row.Reason != v1alpha1.ReasonVariableMissing || run.Status.Phase != v1alpha1.RunFailed {
		t.Errorf("the row says %s (%s), the run %s", row.Phase, row.Reason, run.Status.Phase)
	}
}

func TestAValueThatIsNotThereFailsTheStep(t *testing.T) {
	s := newStage(t, secretive(), []string{"web-1"})
	run := s.passes()
	if row := s.row("web-1", "install"); row.Phase != v1alpha1.StepFailed || row.Reason != v1alpha1.ReasonVariableMissing || run.Status.Phase != v1alpha1.RunFailed {
		t.Errorf("the row says %s (%s), the run %s", row.Phase, row.Reason, run.Status.Phase)
	}
}

func TestANewLeaderAsksTheMachineThoughAValueIsGone(t *testing.T) {
	s := newStage(t, secretive(), []string{"web-1"})
	if err := s.client.Create(t.Context(), theSecret()); err != nil {
		t.Fatal(err)
	}
	s.passes()
	s.passes()
	s.newLeader()
	if err := s.client.Delete(t.Context(), theSecret()); err != nil {
		t.Fatal(err)
	}
	s.passes()
	if a := s.actions[s.ticket("web-1", "install")]; a == nil || !a.Resume || a.waits != nil {
		t.Fatalf("the machine is not asked how the script ended: %+v", a)
	}
	s.ends("web-1", "install", v1alpha1.StepSucceeded)
	if run := s.passes(); run.Status.Phase != v1alpha1.RunSucceeded {
		t.Errorf("the run is %s", run.Status.Phase)
	}
}

func TestARunGoesOnThoughItsReleaseIsDeleted(t *testing.T) {
	s := newStage(t, process(script("prepare"), deploy("install")), []string{"web-1"})
	s.passes()
	if err := s.client.Delete(t.Context(), aRelease()); err != nil {
		t.Fatal(err)
	}
	s.ends("web-1", "prepare", v1alpha1.StepSucceeded)
	s.passes()
	if !s.sent("web-1", "install") {
		t.Fatalf("the package was not sent; the row says %+v", s.row("web-1", "install"))
	}
}

func TestANewLeaderWaitsForAReleaseThatIsDeleted(t *testing.T) {
	s := newStage(t, process(script("prepare"), deploy("install")), []string{"web-1"})
	s.passes()
	s.newLeader()
	if err := s.client.Delete(t.Context(), aRelease()); err != nil {
		t.Fatal(err)
	}
	s.passes()
	s.ends("web-1", "prepare", v1alpha1.StepSucceeded)
	s.passes()
	if got := waits(s.passes()); !strings.HasPrefix(got, "Waiting ReleaseNotFound: ") {
		t.Errorf("the run says %s", got)
	}
	if row := s.row("web-1", "prepare"); row.Phase != v1alpha1.StepSucceeded {
		t.Errorf("the row of what has ended says %s", row.Phase)
	}
	if err := s.client.Create(t.Context(), aRelease()); err != nil {
		t.Fatal(err)
	}
	s.passes()
	if sent := s.sent("web-1", "install"); !sent {
		t.Error("the package was not sent when the release was there again")
	}
}

func TestANewLeaderWaitsForAReleaseThatIsNotReadyYet(t *testing.T) {
	s := newStage(t, process(deploy("install")), []string{"web-1"})
	s.passes()
	s.newLeader()
	s.started = map[string]bool{} // it was not sent before the earlier leader ended
	s.readyRelease(metav1.ConditionFalse)
	s.passes()
	a := s.actions[s.ticket("web-1", "install")]
	if a == nil || !a.Resume || a.prepared != nil || a.waits == nil || a.waits.Reason != v1alpha1.ReasonReleaseNotReady {
		t.Fatalf("it does not wait for the release: %+v", a)
	}
	s.readyRelease(metav1.ConditionTrue)
	s.passes()
	if !s.sent("web-1", "install") {
		t.Errorf("it was not sent when the release was ready: %+v", a.waits)
	}
}

func (s *stage) readyRelease(status metav1.ConditionStatus) {
	s.t.Helper()
	release := aRelease()
	if err := s.client.Get(s.t.Context(), client.ObjectKeyFromObject(release), release); err != nil {
		s.t.Fatal(err)
	}
	release.Status.Conditions[0].Status = status
	if err := s.client.Update(s.t.Context(), release); err != nil {
		s.t.Fatal(err)
	}
}

// Results are acknowledged in the pass itself, which must not wait for an API server once for each of them.
func TestAPassDoesNotAskAnAPIServerThatIsAwayForEveryTarget(t *testing.T) {
	var names []string
	for i := range 50 {
		names = append(names, fmt.Sprintf("web-%02d", i))
	}
	s := newStage(t, process(script("install")), names)
	s.passes()
	for _, name := range names {
		s.ends(name, "install", v1alpha1.StepSucceeded)
	}
	s.lost, s.asked = errAway, 0
	if _, again, err := s.pass(); err != nil || again <= 0 || again > 10*time.Second || s.asked > 10 {
		t.Errorf("asked %d times in one pass; the next is in %s, %v", s.asked, again, err)
	}
}

func TestALostIdentityIsTheReason(t *testing.T) {
	s := newStage(t, process(script("install")), []string{"web-1"})
	s.lost = fmt.Errorf("%w: Secret mantle-system/mantle-identity-shop is gone", identity.ErrLost)
	run := s.passes()
	if row := s.row("web-1", "install"); row.Phase != v1alpha1.StepFailed || row.Reason != v1alpha1.ReasonIdentityLost || run.Status.Phase != v1alpha1.RunFailed {
		t.Errorf("the row says %s (%s): %s; the run %s", row.Phase, row.Reason, row.Message, run.Status.Phase)
	}
}
