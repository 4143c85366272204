package run

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/packages"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
	"github.com/mantledeploy/mantle/controllers/internal/tentacle"
)

func TestARunIsLookedAfterWhileItsPackageIsFetchedAgain(t *testing.T) {
	short := func(m *v1alpha1.StepModifiers) { m.Timeout = &metav1.Duration{Duration: 10 * time.Minute} }
	s := newStage(t, process(script("prepare", short), deploy("install"), script("smoke")), []string{"web-1"}, []string{"web-2"})
	s.passes()
	s.packageState = packages.Pending
	s.ends("web-1", "prepare", tentacle.OutcomeSucceeded)
	s.passes()
	if row := s.row("web-1", "prepare"); row.Phase != v1alpha1.StepSucceeded {
		t.Errorf("the row of what has ended says %s", row.Phase)
	}
	s.clock = s.clock.Add(30 * time.Minute)
	s.passes()
	if !s.cancelled[s.ticket("web-2", "prepare")] {
		t.Error("what takes too long is not cancelled")
	}
	s.ends("web-2", "prepare", tentacle.OutcomeSucceeded)
	run := s.passes()
	if got := waits(run); !strings.HasPrefix(got, "Waiting PackagePending: ") || !strings.Contains(got, "package web 1.0.0 is being fetched") {
		t.Errorf("the run says %s", got)
	}
	s.packageState = packages.Ready
	s.passes()
	for _, target := range []string{"web-1", "web-2"} {
		if _, sent := s.dispatched[s.ticket(target, "install")]; !sent {
			t.Errorf("%s did not get the package when it was there", target)
		}
	}
}

func TestNoPackageIsFetchedWhereNoStepIsLeftThatDeploys(t *testing.T) {
	s := newStage(t, process(deploy("install"), script("smoke")), []string{"web-1"})
	s.passes()
	s.packageState, s.packageErr = packages.Failed, errAway
	s.ends("web-1", "install", tentacle.OutcomeSucceeded)
	s.passes()
	s.ends("web-1", "smoke", tentacle.OutcomeSucceeded)
	if run := s.passes(); run.Status.Phase != v1alpha1.RunSucceeded {
		t.Errorf("the run says %s", waits(run))
	}
}

func TestAPackageThatIsAnotherOneFailsTheActionThatNeedsIt(t *testing.T) {
	tell := script("tell", func(m *v1alpha1.StepModifiers) { m.Condition = v1alpha1.ConditionAlways })
	s := newStage(t, process(script("prepare"), deploy("install"), tell), []string{"web-1"})
	s.passes()
	s.packageState, s.packageErr = packages.Failed, packages.ErrChanged
	run := s.passes()
	if run.Status.Phase != v1alpha1.RunRunning || run.Status.FinishTime != nil {
		t.Fatalf("the run ended while a script runs: %s", waits(run))
	}
	s.ends("web-1", "prepare", tentacle.OutcomeSucceeded)
	s.passes()
	if row := s.row("web-1", "install"); row.Phase != v1alpha1.StepFailed || row.Reason != v1alpha1.ReasonPackageChanged {
		t.Errorf("the row says %s (%s)", row.Phase, row.Reason)
	}
	s.ends("web-1", "tell", tentacle.OutcomeSucceeded)
	run = s.passes()
	if run.Status.Phase != v1alpha1.RunFailed || run.Status.FinishTime == nil || len(run.Status.Failures) != 1 {
		t.Errorf("the run says %s, failures %+v", waits(run), run.Status.Failures)
	}
}

func TestAnActionThatIsTakenUpWaitsForItsPackageOnTheWay(t *testing.T) {
	s := newStage(t, process(deploy("install")), []string{"web-1"})
	s.passes()
	s.newLeader()
	s.packageState = packages.Pending
	s.passes()
	a := s.dispatched[s.ticket("web-1", "install")]
	if !a.Resume || a.Content == nil || !errors.Is(a.Content.Ready(), tentacle.ErrNotFetched) {
		t.Fatalf("the machine is not asked, or the package is taken for there: %+v", a)
	}
	s.packageState = packages.Ready
	if err := a.Content.Ready(); err != nil {
		t.Errorf("a package that is there: %v", err)
	}
	s.packageState, s.packageErr = packages.Failed, packages.ErrChanged
	var never *tentacle.ContentError
	if err := a.Content.Ready(); !errors.As(err, &never) || never.Reason != v1alpha1.ReasonPackageChanged {
		t.Errorf("a package that is another one: %v", err)
	}
}

func TestAnActionHoldsNothingThatAPassRead(t *testing.T) {
	s := newStage(t, process(deploy("install")), []string{"web-1"})
	read := weak.Pointer[v1alpha1.DeploymentTarget]{}
	action := func() tentacle.Action {
		run := &v1alpha1.DeploymentRun{}
		if err := s.client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "run"}, run); err != nil {
			t.Fatal(err)
		}
		f, err := s.gather(t.Context(), run)
		if err != nil {
			t.Fatal(err)
		}
		l, err := s.take(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		l.learnPackages(f)
		a, err := s.prepare(t.Context(), f, l, plan.Start{Key: plan.Key{Target: "web-1", Step: "install"}, Attempt: 1})
		if err != nil {
			t.Fatal(err)
		}
		read = weak.Make(f.Targets["web-1"])
		return a
	}()
	for deadline := time.Now().Add(10 * time.Second); read.Value() != nil; runtime.GC() {
		if time.Now().After(deadline) {
			t.Fatal("the targets stay in memory as long as the action does")
		}
	}
	if err := action.Content.Ready(); err != nil {
		t.Error(err)
	}
}
