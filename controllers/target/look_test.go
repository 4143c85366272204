package target

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
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

// machines answers every check with err, and counts.
type machines struct {
	mu      sync.Mutex
	err     error
	probes  int
	scripts int
	// inventories counts how often a journal was read.
	inventories int
	// away is the answer of Reachable, which tries counts.
	away  error
	tries int
	// failed says that scripts fail.
	failed bool
	// facts are what the Tentacle says of itself beside able.
	facts wire.Facts
}

func (m *machines) Reachable(context.Context, session.Machine) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tries++
	return m.away
}

func (m *machines) Probe(context.Context, session.Machine) (session.Probe, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.probes++
	facts := able()
	facts.Version += m.facts.Version
	return session.Probe{Facts: facts}, m.err
}

func (m *machines) RunStep(context.Context, session.Machine, step.Plan) (session.StepResult, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.scripts++
	return session.StepResult{Succeeded: !m.failed}, nil
}

func (m *machines) Inventory(context.Context, session.Machine) (step.Inventory, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inventories++
	return step.Inventory{}, nil
}

// able is a Tentacle that can carry out our steps.
func able() wire.Facts {
	return wire.Facts{Services: []string{wire.ScriptServiceV2Name}, Version: "1", Engine: step.Version}
}

// schedule is a checker with a clock of its own.
type schedule struct {
	t *testing.T
	*checker
	clock time.Time
	told  chan types.NamespacedName
	*machines
}

func newSchedule(t *testing.T) *schedule {
	s := &schedule{t: t, clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), told: make(chan types.NamespacedName, 1), machines: &machines{}}
	s.checker = newChecker(s.machines, func(n types.NamespacedName) { s.told <- n }, func() time.Time { return s.clock })
	return s
}

func aTarget() *v1alpha1.DeploymentTarget {
	return &v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1", UID: "uid", Generation: 1}}
}

// latest is that of the checker, but tells also when the next check starts by itself.
func (s *schedule) latest(t *v1alpha1.DeploymentTarget, fingerprint string, interval time.Duration, w checkSpec) (newest *result, again time.Duration) {
	newest, again = s.checker.latest(t, fingerprint, interval, w)
	return newest, cmp.Or(again, s.repeats(client.ObjectKeyFromObject(t), s.clock))
}

// repeats returns how long it is until the next check starts by itself; 0 if it does not.
func (c *checker) repeats(name types.NamespacedName, now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.targets[name]; at != nil && at.timer != nil {
		return at.next.Sub(now)
	}
	return 0
}

// checkNow expects a check to be due, waits for it, and returns its result and when the next is due.
func (s *schedule) checkNow(interval time.Duration) (found *result, next time.Duration) {
	s.t.Helper()
	before := s.checks()
	if _, again := s.latest(aTarget(), "f", interval, checkSpec{}); !s.checking() && s.checks() == before {
		s.t.Fatalf("none is due before %s", again)
	}
	s.await()
	return s.latest(aTarget(), "f", interval, checkSpec{})
}

// await waits for the end of the check that is in progress. It reports whether the target was notified.
func (s *schedule) await() (notified bool) {
	s.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); s.checking(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatal("no check ended")
		}
	}
	s.running.Wait()
	select {
	case <-s.told:
		return true
	default:
		return false
	}
}

func (s *schedule) checking() bool {
	s.checker.mu.Lock()
	defer s.checker.mu.Unlock()
	at := s.targets[client.ObjectKeyFromObject(aTarget())]
	return at != nil && at.stop != nil
}

// checks returns how often the machine was called for a check.
func (s *schedule) checks() int {
	s.machines.mu.Lock()
	defer s.machines.mu.Unlock()
	return s.probes + s.tries
}

// A machine that is as healthy as it was costs no pass: nobody is notified of the end of a check, and the next one starts by
// itself.
func TestTheSameHealthIsNotTold(t *testing.T) {
	s := newSchedule(t)
	for i, want := range []bool{true, false, false, true, true, true} {
		if i == 3 {
			s.facts.Version = "2"
		}
		if i == 4 { // status.lastHealthCheck is due
			s.clock = s.clock.Add(refreshAfter)
		}
		if i == 5 {
			s.err = errors.New("away")
		}
		s.latest(aTarget(), "f", 5*time.Minute, checkSpec{})
		if notified := s.await(); notified != want {
			t.Errorf("check %d was told: %t", i, notified)
		}
		if again := s.repeats(client.ObjectKeyFromObject(aTarget()), s.clock); !want && (again <= 4*time.Minute || again > 5*time.Minute) {
			t.Errorf("the next check is after %s", again)
		}
		s.clock = s.clock.Add(5 * time.Minute)
	}
}

// A machine that is away is tried often, as that costs one connection; nothing more is asked of it.
func TestAMachineThatIsAwayIsCheckedOften(t *testing.T) {
	s := newSchedule(t)
	s.err = &halibut.ConnectError{Stage: halibut.ConnectionRefused, Err: errors.New("refused")}
	s.away = s.err
	_, next := s.checkNow(5 * time.Minute)
	for range 20 {
		if next < firstRetry || next > 30*time.Second {
			t.Errorf("checked again after %s", next)
		}
		s.clock = s.clock.Add(next)
		_, next = s.checkNow(5 * time.Minute)
	}
	if next < 15*time.Second || s.probes != 1 || s.tries != 20 {
		t.Errorf("%d probes and %d connections, next after %s", s.probes, s.tries, next)
	}
	s.clock = s.clock.Add(next)
	s.err, s.away = nil, nil
	if _, next := s.checkNow(100 * time.Second); next < 90*time.Second || next > 100*time.Second {
		t.Errorf("healthy again, and checked after %s", next)
	}
	if s.failing != 0 {
		t.Errorf("%d are counted as failing", s.failing)
	}
}

// Many machines that are away are checked less often, so that they cost no more than a bound.
func TestManyMachinesThatAreAwayAreCheckedLessOften(t *testing.T) {
	s := newSchedule(t)
	s.err = &halibut.ConnectError{Stage: halibut.ConnectionRefused, Err: errors.New("refused")}
	s.away = s.err
	s.failing = 5000
	_, next := s.checkNow(time.Hour)
	s.clock = s.clock.Add(next)
	if _, next = s.checkNow(time.Hour); next < 5000*eachRetry || next > 3*5000*eachRetry {
		t.Errorf("checked again after %s", next)
	}
	s.clock = s.clock.Add(next)
	if _, next = s.checkNow(time.Minute); next > time.Minute {
		t.Errorf("later than its policy says: after %s", next)
	}
}

// A health script costs its machine something.
func TestAFailedHealthScriptRunsAgainAtDoublingDistances(t *testing.T) {
	s := newSchedule(t)
	s.failed = true
	w := checkSpec{health: &step.Health{Bash: "false"}}
	for i, want := range []time.Duration{10, 20, 40, 80, 100, 100} {
		if _, again := s.latest(aTarget(), "f", 100*time.Second, w); again != 0 {
			t.Fatalf("none is due before %s", again)
		}
		<-s.told
		_, next := s.latest(aTarget(), "f", 100*time.Second, w)
		if next != want*time.Second {
			t.Errorf("after failure %d: again after %s, wanted %ds", i+1, next, want)
		}
		s.clock = s.clock.Add(next)
	}
}

// Whoever exchanges something with a machine that is said to be away shows that it is not.
func TestAnExchangeWithAMachineThatWasAwayMeansACheckAtOnce(t *testing.T) {
	s := newSchedule(t)
	name := client.ObjectKeyFromObject(aTarget())
	s.checkNow(time.Hour)
	s.reached(name)
	if _, next := s.latest(aTarget(), "f", time.Hour, checkSpec{}); next < time.Minute || len(s.told) != 0 {
		t.Errorf("a healthy machine is checked again after %s", next)
	}
	s.clock = s.clock.Add(time.Hour)
	s.err = &halibut.ConnectError{Stage: halibut.ConnectionRefused, Err: errors.New("refused")}
	s.checkNow(time.Hour)
	s.reached(name)
	s.reached(name)
	if _, next := s.latest(aTarget(), "f", time.Hour, checkSpec{}); next > soonPause || len(s.told) != 1 {
		t.Errorf("checked only after %s, told %d times", next, len(s.told))
	}
}

func TestAPersonAsksForACheckOnce(t *testing.T) {
	s := newSchedule(t)
	dt := aTarget()
	s.checkNow(time.Hour)
	dt.Annotations = map[string]string{v1alpha1.AnnotationCheck: "now"}
	if _, next := s.latest(dt, "f", time.Hour, checkSpec{}); next > soonPause {
		t.Fatalf("checked only after %s", next)
	}
	s.clock = s.clock.Add(soonPause)
	if s.latest(dt, "f", time.Hour, checkSpec{}); !s.await() {
		t.Fatal("nobody is told of the check that was asked for")
	}
	found, next := s.latest(dt, "f", time.Hour, checkSpec{})
	if found.Asked != "now" || next < time.Minute {
		t.Errorf("found for %q, and checked again after %s", found.Asked, next)
	}
	describe(seen(dt, found))
	if dt.Status.LastHandledCheck != "now" {
		t.Errorf("handled is %q", dt.Status.LastHandledCheck)
	}
	other := newSchedule(t) // the next operator
	other.checkNow(time.Hour)
	if _, next := other.latest(dt, "f", time.Hour, checkSpec{}); next < time.Minute {
		t.Errorf("a request that was handled is handled again after %s", next)
	}
}

// A policy that says Never stands; who asks for a check is told.
func TestACheckThatThePolicyForbidsIsAnswered(t *testing.T) {
	dt := aTarget()
	dt.Annotations = map[string]string{v1alpha1.AnnotationCheck: strings.Repeat("n", 1000)}
	f := seen(dt, nil)
	f.Policy = &v1alpha1.TargetPolicy{Spec: v1alpha1.TargetPolicySpec{HealthCheck: &v1alpha1.HealthCheck{Interval: &metav1.Duration{}}}}
	describe(f)
	if c := ready(t, dt); !strings.Contains(c.Message, v1alpha1.AnnotationCheck) || len(dt.Status.LastHandledCheck) != 256 {
		t.Errorf("%q, handled %q", c.Message, dt.Status.LastHandledCheck)
	}
}

func TestAFailureElsewhereMeansALookAtOnce(t *testing.T) {
	s := newSchedule(t)
	s.checkNow(time.Hour)
	s.checkSoon(client.ObjectKeyFromObject(aTarget()))
	if _, next := s.latest(aTarget(), "f", time.Hour, checkSpec{}); next > soonPause {
		t.Errorf("looked at only after %s", next)
	}
}

func TestAMachineThatWasNotTriedStaysAsItIs(t *testing.T) {
	s := newSchedule(t)
	before, next := s.checkNow(time.Hour)
	s.clock = s.clock.Add(next)
	s.err = fmt.Errorf("connecting: %w", &halibut.ConnectError{Stage: halibut.ConnectTimedOut, Err: session.ErrBusy})
	if after, next := s.checkNow(time.Hour); after != before || next != firstRetry {
		t.Errorf("found %+v, again after %s", after, next)
	}
}

func TestNeverMeansNever(t *testing.T) {
	s := newSchedule(t)
	s.latest(aTarget(), "f", 0, checkSpec{})
	s.checkSoon(client.ObjectKeyFromObject(aTarget()))
	if found, again := s.latest(aTarget(), "f", 0, checkSpec{}); found != nil || again != 0 || s.probes != 0 {
		t.Errorf("found %+v, again after %s, %d probes", found, again, s.probes)
	}
}

func TestAnotherSpecIsAnotherLook(t *testing.T) {
	s := newSchedule(t)
	s.checkNow(time.Hour)
	if found, again := s.latest(aTarget(), "another pin", time.Hour, checkSpec{}); found != nil || again != 0 {
		t.Errorf("what was found with the earlier pin still counts: %+v, again after %s", found, again)
	}
	<-s.told
	s.forget(client.ObjectKeyFromObject(aTarget()))
	if len(s.targets) != 0 {
		t.Error("a deleted target is remembered")
	}
}

// A machine to which nothing was ever deployed is not asked for its journal, which would cost it a script.
func TestAMachineWithoutAJournalIsNotAskedForIt(t *testing.T) {
	m := &machines{}
	c := newChecker(m, func(types.NamespacedName) {}, time.Now)
	for _, without := range []bool{true, false} {
		facts := able()
		facts.NoJournal, facts.OS = without, "linux"
		read, err := c.inventory(t.Context(), session.Machine{}, facts)
		if asked := m.inventories == 1; err != nil || asked == without || without && read.OS != "linux" {
			t.Errorf("without a journal: %t, asked: %t, read: %+v, %v", without, asked, read, err)
		}
	}
}
