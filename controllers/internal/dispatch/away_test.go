package dispatch_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// A machine that is believed to be away is connected to once: it is there, or the action ends at once.
func TestAMachineThatIsBelievedToBeAwayIsTriedOnce(t *testing.T) {
	there, away := newMachine(t, engine(0, "")), newMachine(t, engine(0, ""))
	away.Stop()
	answered := make(chan types.NamespacedName, 100)
	p := newPool(t, func(s *session.Config, _ *dispatch.Config) {
		s.Reached = func(name types.NamespacedName) { answered <- name }
	})
	for ticket, m := range map[string]machine{"there": there, "away": away} {
		a := runAction(m, ticket)
		a.Away, a.Machine.Name, a.Machine.RetryDuration = true, ticket, time.Hour
		p.Dispatch(a)
	}
	if r := await(t, p, "away", ended); !r.Unreached || !r.Once || r.Phase != v1alpha1.StepFailed || r.Sent ||
		r.Reason != v1alpha1.ReasonConnectionRefused || !strings.Contains(r.Message, "refused") {
		t.Errorf("away: %+v", r)
	}
	if r := await(t, p, "there", func(r dispatch.Report) bool { return r.Reachable }); r.Ended() || r.Sent || steps(there) != 0 {
		t.Errorf("there: %+v, ran %d times", r, steps(there))
	}
	p.Drop("there")
	a := runAction(there, "there")
	a.Machine.Name = "there"
	p.Dispatch(a)
	if r := await(t, p, "there", ended); r.Phase != v1alpha1.StepSucceeded || steps(there) != 1 {
		t.Errorf("there: %+v, ran %d times", r, steps(there))
	}
	if name := <-answered; name.Name != "there" {
		t.Errorf("%s is said to have answered", name)
	}
}

// swallows is a network that answers nothing.
func swallows(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Nothing of a run that was cancelled is tried, and one that is dropped leaves nothing behind.
func TestACancelEndsTheTryOfAMachineThatIsAway(t *testing.T) {
	p := newPool(t, func(s *session.Config, _ *dispatch.Config) { s.DialContext = swallows })
	for _, ticket := range []string{"cancelled", "dropped"} {
		a := runAction(newMachine(t, engine(0, "")), ticket)
		a.Away = true
		p.Dispatch(a)
	}
	p.Cancel("cancelled")
	p.Drop("dropped")
	if r := await(t, p, "cancelled", ended); r.Phase != v1alpha1.StepCancelled || r.Sent {
		t.Errorf("%+v", r)
	}
}
