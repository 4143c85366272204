package target

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// slowMachines answer when they are let, or when the check is cancelled.
type slowMachines struct {
	Machines
	let chan struct{}
	// hold, if set, keeps a cancelled check from ending.
	hold chan struct{}

	mu        sync.Mutex
	busy      map[string]int
	ended     int
	most      int
	byTenants map[string]int
}

func (m *slowMachines) Probe(ctx context.Context, at session.Machine) (session.Probe, error) {
	m.mu.Lock()
	m.busy[at.Name]++
	m.byTenants[at.Namespace]++
	m.most = max(m.most, m.busy[at.Name])
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.busy[at.Name]--
	}()
	select {
	case <-m.let:
	case <-ctx.Done():
		if m.hold != nil {
			<-m.hold
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.ended++
	}
	return session.Probe{Facts: able()}, ctx.Err()
}

func (m *slowMachines) Reachable(context.Context, session.Machine) error { return nil }

func (m *slowMachines) probed(namespace string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.byTenants[namespace]
}

type slowChecker struct {
	t *testing.T
	*checker
	*slowMachines
	told chan types.NamespacedName
}

func newSlowChecker(t *testing.T) *slowChecker {
	m := &slowMachines{let: make(chan struct{}), busy: map[string]int{}, byTenants: map[string]int{}}
	s := &slowChecker{t: t, slowMachines: m, told: make(chan types.NamespacedName, 2*maxChecks)}
	s.checker = newChecker(m, func(n types.NamespacedName) { s.told <- n }, time.Now)
	return s
}

func (s *slowChecker) visit(dt *v1alpha1.DeploymentTarget, fingerprint string) (*result, time.Duration) {
	return s.latest(dt, fingerprint, time.Hour, checkSpec{machine: session.Machine{Namespace: dt.Namespace, Name: dt.Name}})
}

func (s *slowChecker) until(what string, check func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !check(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatal("not in time: " + what)
		}
	}
}

func (s *slowChecker) tell() {
	s.t.Helper()
	select {
	case <-s.told:
	case <-time.After(10 * time.Second):
		s.t.Fatal("nobody is told")
	}
}

// A policy that changes while a check runs means another check, but never two at once.
func TestAMachineIsLookedAtOnceAtATime(t *testing.T) {
	s := newSlowChecker(t)
	s.hold = make(chan struct{})
	dt := aTarget()
	for i := range 5 {
		s.visit(dt, fmt.Sprint(i))
		s.until("a check starts", func() bool { return s.probed("shop") == 1 })
	}
	close(s.hold)
	s.tell() // the first has been ended
	if found, _ := s.visit(dt, "4"); found != nil {
		t.Errorf("the result of a check with an earlier policy counts: %+v", found)
	}
	s.until("the second check starts", func() bool { return s.probed("shop") == 2 })
	close(s.let)
	s.tell()
	if found, _ := s.visit(dt, "4"); found == nil || s.repeats(client.ObjectKeyFromObject(dt), time.Now()) == 0 {
		t.Errorf("found %+v, and no further check", found)
	}
	if s.most != 1 || s.ended != 1 {
		t.Errorf("%d checks at once, %d ended", s.most, s.ended)
	}
}

func TestATargetThatIsDeletedIsNotLookedAtAnyMore(t *testing.T) {
	s := newSlowChecker(t)
	dt := aTarget()
	s.visit(dt, "f")
	s.until("the check starts", func() bool { return s.probed("shop") == 1 })
	s.forget(client.ObjectKeyFromObject(dt))
	s.tell()
	if s.ended != 1 || len(s.targets) != 0 {
		t.Errorf("%d checks were cancelled, %d targets are remembered", s.ended, len(s.targets))
	}
	close(s.let)
	s.visit(dt, "f")
	s.tell()
	s.forget(client.ObjectKeyFromObject(dt))
	if len(s.targets) != 0 {
		t.Errorf("%d targets are remembered that are not checked", len(s.targets))
	}
}

// A target has no finalizer: a pass finds that it is gone, or that it goes.
func TestATargetThatIsGoneIsForgotten(t *testing.T) {
	s := newSlowChecker(t)
	close(s.let)
	dt := aTarget()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	r := &Reconciler{Client: fake.NewClientBuilder().WithScheme(scheme).Build(), checker: s.checker}
	now := metav1.Now()
	going := dt.DeepCopy()
	going.DeletionTimestamp = &now
	for what, pass := range map[string]func() (ctrl.Result, error){
		"is gone": func() (ctrl.Result, error) {
			return r.pass(t.Context(), reconcile.Request{NamespacedName: client.ObjectKeyFromObject(dt)})
		},
		"goes": func() (ctrl.Result, error) { return r.Reconcile(t.Context(), going) },
	} {
		s.visit(dt, "f")
		s.tell()
		if _, err := pass(); err != nil || len(s.targets) != 0 {
			t.Errorf("of a target that %s, %d are remembered, %v", what, len(s.targets), err)
		}
	}
}

// A name that is given again is another target: nothing of the former one's counts for it.
func TestATargetOfTheSameNameIsAnother(t *testing.T) {
	s := newSlowChecker(t)
	close(s.let)
	dt := aTarget()
	s.visit(dt, "f")
	s.tell()
	if found, _ := s.visit(dt, "f"); found == nil {
		t.Fatal("nothing was found")
	}
	dt.UID = "another"
	if found, _ := s.visit(dt, "f"); found != nil {
		t.Errorf("the former target's result counts: %+v", found)
	}
	s.tell()
}

func TestANamespaceWithManyTargetsLeavesRoomForOthers(t *testing.T) {
	s := newSlowChecker(t)
	for n := range 2 * maxChecks {
		dt := aTarget()
		dt.Namespace, dt.Name = "hostile", fmt.Sprint(n)
		s.visit(dt, "f")
	}
	s.until("the hostile namespace has its half", func() bool { return s.probed("hostile") == maxChecks/2 })
	s.visit(aTarget(), "f")
	s.until("the other's machine is looked at", func() bool { return s.probed("shop") == 1 })
	if n := s.probed("hostile"); n != maxChecks/2 {
		t.Errorf("%d of the hostile namespace are looked at at once", n)
	}
	close(s.let)
}

func TestLooksEndWithTheOperator(t *testing.T) {
	s := newSlowChecker(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Start(ctx) }()
	s.visit(aTarget(), "f")
	s.until("the check starts", func() bool { return s.probed("shop") == 1 })
	cancel()
	if err := <-done; err != nil || s.ended != 1 {
		t.Errorf("%v, %d checks were cancelled", err, s.ended)
	}
	other := aTarget()
	other.Name = "web-2"
	s.visit(other, "f")
	if s.probed("shop") != 1 {
		t.Error("a check starts after the end")
	}
}

func TestTargetsAreWrittenAtDifferentTimes(t *testing.T) {
	spread := map[time.Duration]bool{}
	for n := range 1000 {
		spread[jitter(types.UID(fmt.Sprintf("0c2f4e8a-0000-4000-8000-%012d", n))).Truncate(10*time.Second)] = true
	}
	if len(spread) < 50 {
		t.Errorf("1,000 targets are written at %d times", len(spread))
	}
}
