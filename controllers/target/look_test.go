package target

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	wire "github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// machines answers every look with err, and counts.
type machines struct {
	mu      sync.Mutex
	err     error
	probes  int
	scripts int
}

func (m *machines) Probe(context.Context, session.Machine) (session.Probe, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.probes++
	return session.Probe{Facts: able()}, m.err
}

func (m *machines) RunStep(context.Context, session.Machine, step.Plan) (session.StepResult, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.scripts++
	return session.StepResult{Succeeded: true}, nil
}

func (m *machines) Inventory(context.Context, session.Machine) (step.Inventory, error) {
	return step.Inventory{}, nil
}

// able is a Tentacle that can carry out our steps.
func able() wire.Facts {
	return wire.Facts{Services: []string{wire.ScriptServiceV2Name}, Version: "1", Engine: step.Version}
}

// schedule is looks with a clock of its own.
type schedule struct {
	t *testing.T
	*looks
	clock time.Time
	told  chan types.NamespacedName
	*machines
}

func newSchedule(t *testing.T) *schedule {
	s := &schedule{t: t, clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), told: make(chan types.NamespacedName, 1), machines: &machines{}}
	s.looks = newLooks(s.machines, func(n types.NamespacedName) { s.told <- n }, func() time.Time { return s.clock })
	return s
}

func aTarget() *v1alpha1.DeploymentTarget {
	return &v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1", UID: "uid", Generation: 1}}
}

// look expects one to be due, waits for it, and says when the next is.
func (s *schedule) look(interval time.Duration) (found *finding, next time.Duration) {
	s.t.Helper()
	if _, again := s.see(aTarget(), "f", interval, wanted{}); again != 0 {
		s.t.Fatalf("none is due before %s", again)
	}
	select {
	case <-s.told:
	case <-time.After(10 * time.Second):
		s.t.Fatal("nobody looked")
	}
	return s.see(aTarget(), "f", interval, wanted{})
}

func TestAnAbsentMachineIsLookedAtAtDoublingDistances(t *testing.T) {
	s := newSchedule(t)
	s.err = &halibut.ConnectError{Stage: halibut.ConnectionRefused, Err: errors.New("refused")}
	for i, want := range []time.Duration{10, 20, 40, 80, 100, 100} {
		_, next := s.look(100 * time.Second)
		if next != want*time.Second {
			t.Errorf("after failure %d: again after %s, wanted %ds", i+1, next, want)
		}
		s.clock = s.clock.Add(next)
	}
	s.err = nil
	if _, next := s.look(100 * time.Second); next < 90*time.Second || next > 100*time.Second {
		t.Errorf("healthy again, and looked at after %s", next)
	}
}

func TestAFailureElsewhereMeansALookAtOnce(t *testing.T) {
	s := newSchedule(t)
	s.look(time.Hour)
	s.poke(client.ObjectKeyFromObject(aTarget()))
	if _, next := s.see(aTarget(), "f", time.Hour, wanted{}); next > pokePause {
		t.Errorf("looked at only after %s", next)
	}
}

func TestAMachineThatWasNotTriedStaysAsItIs(t *testing.T) {
	s := newSchedule(t)
	before, next := s.look(time.Hour)
	s.clock = s.clock.Add(next)
	s.err = fmt.Errorf("connecting: %w", &halibut.ConnectError{Stage: halibut.ConnectTimedOut, Err: session.ErrBusy})
	if after, next := s.look(time.Hour); after != before || next != firstRetry {
		t.Errorf("found %+v, again after %s", after, next)
	}
}

func TestNeverMeansNever(t *testing.T) {
	s := newSchedule(t)
	s.see(aTarget(), "f", 0, wanted{})
	s.poke(client.ObjectKeyFromObject(aTarget()))
	if found, again := s.see(aTarget(), "f", 0, wanted{}); found != nil || again != 0 || s.probes != 0 {
		t.Errorf("found %+v, again after %s, %d probes", found, again, s.probes)
	}
}

func TestAnotherSpecIsAnotherLook(t *testing.T) {
	s := newSchedule(t)
	s.look(time.Hour)
	if found, again := s.see(aTarget(), "another pin", time.Hour, wanted{}); found != nil || again != 0 {
		t.Errorf("what was found with the earlier pin still counts: %+v, again after %s", found, again)
	}
	<-s.told
	s.forget(client.ObjectKeyFromObject(aTarget()))
	if len(s.targets) != 0 {
		t.Error("a deleted target is remembered")
	}
}
