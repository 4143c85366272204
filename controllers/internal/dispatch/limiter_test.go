package dispatch_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// Of many actions of one namespace a bounded number is carried out; the others wait, as their rows say, and another
// namespace's do not.
func TestActionsOfOneNamespaceAreBounded(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	m := newMachine(t, func(ctx context.Context, e *tentacletest.Execution) int32 {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return engine(0, "")(ctx, e)
	})
	p := newPool(t, func(_ *session.Config, d *dispatch.Config) { d.MaxActionsNamespace = 2 })
	for i := range 6 {
		p.Dispatch(runAction(m, fmt.Sprintf("t%d", i)))
	}
	for _, ticket := range []string{"t2", "t3", "t4", "t5"} {
		if r := await(t, p, ticket, waiting(v1alpha1.ReasonPreparing)); r.Sent {
			t.Errorf("%s waits, and was sent", ticket)
		}
	}
	await(t, p, "t0", func(r dispatch.Report) bool { return r.Sent })
	other := runAction(m, "other")
	other.Owner.NamespacedName = types.NamespacedName{Namespace: "bank", Name: "run"}
	p.Dispatch(other)
	p.Cancel("t3")
	p.GiveUp("t4")
	if r := await(t, p, "t3", ended); r.Phase != v1alpha1.StepCancelled || r.Sent {
		t.Errorf("cancelled while it waited: %+v", r)
	}
	if r := await(t, p, "t4", ended); r.Phase != v1alpha1.StepFailed || r.Sent || r.Reason != v1alpha1.ReasonNotPrepared {
		t.Errorf("given up while it waited: %+v", r)
	}
	p.Drop("t5")
	close(release)
	for _, ticket := range []string{"t0", "t1", "t2", "other"} {
		if r := await(t, p, ticket, ended); r.Phase != v1alpha1.StepSucceeded {
			t.Errorf("%s ended as %s, %s", ticket, r.Phase, r.Message)
		}
	}
	if n := steps(m); n != 4 {
		t.Errorf("%d actions were sent", n)
	}
}

// The time that a machine has to be reached in is its own: the wait for the dials of others is not in it.
func TestTheWaitForATurnToDialIsNotTheMachinesTime(t *testing.T) {
	t.Parallel()
	m := newMachine(t, engine(0, ""))
	const retries = 200 * time.Millisecond
	dialling, refused := make(chan struct{}), atomic.Int64{}
	p := newPool(t, func(s *session.Config, _ *dispatch.Config) {
		s.MaxDials = 1
		s.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == "slow:1" {
				close(dialling)
				ctx, cancel := context.WithTimeout(ctx, 2*retries)
				defer cancel()
				<-ctx.Done()
				return nil, ctx.Err()
			}
			if refused.Add(1) == 1 {
				return nil, syscall.ECONNREFUSED
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
	})
	slow, quick := runAction(m, "slow"), runAction(m, "quick")
	slow.Machine.Address, slow.Machine.RetryDuration, quick.Machine.RetryDuration = "slow:1", time.Nanosecond, retries
	p.Dispatch(slow)
	<-dialling
	p.Dispatch(quick)
	if r := await(t, p, "quick", ended); r.Phase != v1alpha1.StepSucceeded {
		t.Errorf("the machine that waited for its turn ended as %s, %s", r.Phase, r.Message)
	}
}

// Of thousands of actions that are dispatched at once few can be connected to at once, and none of those that run, or wait
// for something, holds up the others.
func TestFewAreOnTheirWayAtOnce(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	m := newMachine(t, tentacletest.Holds(release, engine(0, "")))
	p := newPool(t, func(_ *session.Config, d *dispatch.Config) { d.MaxStartingNamespace = 1 })
	var preparing, most atomic.Int32
	for i := range 5 {
		a := runAction(m, fmt.Sprintf("t%d", i))
		prepared := dispatch.Prepared{Plan: a.Plan}
		a.Prepare = func(context.Context) (dispatch.Prepared, error) {
			if now := preparing.Add(1); now > most.Load() {
				most.Store(now)
			}
			defer preparing.Add(-1)
			if i == 2 {
				return prepared, &dispatch.NotReady{Reason: v1alpha1.ReasonPackagePending, RetryAfter: time.Hour}
			}
			return prepared, nil
		}
		p.Dispatch(a)
	}
	for _, ticket := range []string{"t0", "t1", "t3", "t4"} {
		await(t, p, ticket, func(r dispatch.Report) bool { return r.Sent })
	}
	if most.Load() != 1 {
		t.Errorf("%d were on their way at once", most.Load())
	}
	close(release)
	for _, ticket := range []string{"t0", "t1", "t3", "t4"} {
		if r := await(t, p, ticket, ended); r.Phase != v1alpha1.StepSucceeded {
			t.Errorf("%s ended as %s, %s", ticket, r.Phase, r.Message)
		}
	}
}

// What has begun on one machine is finished before anything begins on others: a later step does not wait behind thousands of
// first ones.
func TestALaterStepDoesNotWaitBehindFirstOnes(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	m := newMachine(t, func(ctx context.Context, e *tentacletest.Execution) int32 {
		<-release
		return engine(0, "")(ctx, e)
	})
	p := newPool(t, func(_ *session.Config, d *dispatch.Config) { d.MaxActionsNamespace = 1 })
	for _, ticket := range []string{"t0", "t1", "t2", "later"} {
		a := runAction(m, ticket)
		a.Later = ticket == "later"
		p.Dispatch(a)
	}
	await(t, p, "later", waiting(v1alpha1.ReasonPreparing))
	close(release)
	var order []string
	await(t, p, "t2", ended)
	for _, e := range m.Executions() {
		order = append(order, e.Command.TaskID)
	}
	if want := []string{"t0", "later", "t1", "t2"}; !slices.Equal(order, want) {
		t.Errorf("they were sent in the order %v, want %v", order, want)
	}
}
