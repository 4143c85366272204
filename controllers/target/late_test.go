package target

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/identity"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// nobody is an operator without an identity.
type nobody struct{}

func (nobody) For(context.Context, string) (*session.Identity, error) { return nil, identity.ErrLost }

// A pass takes its time. Meanwhile the target is deleted and made again: what the one before had is not written into the
// new one. (An API server ignores a UID in a patch of the status.)
func TestALatePassWritesNothingIntoAnotherTargetOfTheName(t *testing.T) {
	at := metav1.NewTime(noon)
	c := ran(t, v1alpha1.RunSucceeded, true, v1alpha1.TargetResult{Target: "web-1", Phase: v1alpha1.StepSucceeded, FinishTime: &at,
		Steps: []v1alpha1.ActionStatus{{Name: "web", Phase: v1alpha1.StepSucceeded, Attempt: 1, Sent: true, StartTime: &at}}})
	before := aTarget()
	if err := c.Create(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), before.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	after := aTarget()
	after.UID, after.Labels = "made again", map[string]string{"made": "again"}
	if err := c.Create(t.Context(), after); err != nil {
		t.Fatal(err)
	}
	if err := c.Update(t.Context(), after); err != nil { // versions of the API in memory begin anew
		t.Fatal(err)
	}
	r := &Reconciler{Client: c, Reader: c, Identities: nobody{}, Recorder: events.NewFakeRecorder(10), Now: func() time.Time { return noon }}
	result, err := r.Reconcile(t.Context(), before)
	if err != nil || result.RequeueAfter <= 0 {
		t.Errorf("the pass gives %+v, %v", result, err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(after), after); err != nil || len(after.Status.Installed) != 0 || len(after.Status.Conditions) != 0 {
		t.Errorf("%v; its status is %+v", err, after.Status)
	}
}
