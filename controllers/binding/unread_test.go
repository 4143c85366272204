package binding

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Where a journal cannot be read, the binding says why in the target's own words, as that needs a person.
func TestABindingSaysWhyAJournalIsNotRead(t *testing.T) {
	unread := func(status metav1.ConditionStatus, reason, message string) func(*v1alpha1.DeploymentTarget) {
		return func(t *v1alpha1.DeploymentTarget) {
			t.Status.JournalRead = nil
			t.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, Reason: reason, Message: message}}
		}
	}
	refused := unread(metav1.ConditionFalse, v1alpha1.ReasonHealthCheckError, "the machine's journal could not be read: refused by policy")
	for want, f := range map[string]facts{
		"the journal of b has not been read: the machine's journal could not be read: refused by policy":                    world(targets(web("b", refused))),
		"the journal of b has not been read: the machine's journal could not be read: refused by policy (waiting for a, b)": world(targets(web("a", unread(metav1.ConditionTrue, v1alpha1.ReasonHealthy, "healthy")), web("b", refused))),
		"the journal of a is being read": world(targets(web("a", unread(metav1.ConditionFalse, v1alpha1.ReasonProgressing, "the first health check is in progress")))),
	} {
		if d := decide(f); d.Message != want || d.Reason != v1alpha1.ReasonJournalUnread {
			t.Errorf("%s: it says %q, wanted %q", d.Reason, d.Message, want)
		}
	}
}

// Targets that are all cordoned are not out of reach.
func TestABindingWhoseTargetsAreCordonedSaysSo(t *testing.T) {
	cordoned := func(t *v1alpha1.DeploymentTarget) { t.Spec.Cordoned = true }
	for want, f := range map[string]facts{
		v1alpha1.ReasonCordoned:          world(targets(web("a", cordoned), web("b", cordoned))),
		v1alpha1.ReasonNoTargetReachable: world(targets(web("a", cordoned), web("b", health(v1alpha1.HealthUnavailable)))),
	} {
		if d := decide(f); d.Reason != want {
			t.Errorf("it says %s (%s), wanted %s", d.Reason, d.Message, want)
		}
	}
}
