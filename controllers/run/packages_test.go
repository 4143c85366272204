package run

import (
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
	"github.com/mantledeploy/mantle/controllers/internal/packages"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
)

func TestARunIsLookedAfterWhileItsPackageIsFetchedAgain(t *testing.T) {
	short := func(m *v1alpha1.StepModifiers) { m.Timeout = &metav1.Duration{Duration: 10 * time.Minute} }
	s := newStage(t, process(script("prepare", short), deploy("install"), script("smoke")), []string{"web-1"}, []string{"web-2"})
	s.passes()
	s.packageState = packages.Pending
	s.ends("web-1", "prepare", v1alpha1.StepSucceeded)
	s.passes()
	if row := s.row("web-1", "prepare"); row.Phase != v1alpha1.StepSucceeded {
		t.Errorf("the row of what has ended says %s", row.Phase)
	}
	s.clock = s.clock.Add(30 * time.Minute)
	s.passes()
	if !s.cancelled[s.ticket("web-2", "prepare")] {
		t.Error("what takes too long is not cancelled")
	}
	s.ends("web-2", "prepare", v1alpha1.StepSucceeded)
	run := s.passes()
	if got := waits(run); !strings.HasPrefix(got, "Waiting PackagePending: ") || !strings.Contains(got, "package web 1.0.0 is being fetched") {
		t.Errorf("the run says %s", got)
	}
	s.packageState = packages.Ready
	s.passes()
	for _, target := range []string{"web-1", "web-2"} {
		if sent := s.sent(target, "install"); !sent {
			t.Errorf("%s did not get the package when it was there", target)
		}
	}
}

func TestNoPackageIsFetchedWhereNoStepIsLeftThatDeploys(t *testing.T) {
	s := newStage(t, process(deploy("install"), script("smoke")), []string{"web-1"})
	s.passes()
	s.packageState, s.packageErr = packages.Failed, errAway
	s.ends("web-1", "install", v1alpha1.StepSucceeded)
	s.passes()
	s.ends("web-1", "smoke", v1alpha1.StepSucceeded)
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
	s.ends("web-1", "prepare", v1alpha1.StepSucceeded)
	s.passes()
	if row := s.row("web-1", "install"); row.Phase != v1alpha1.StepFailed || row.Reason != v1alpha1.ReasonPackageChanged {
		t.Errorf("the row says %s (%s)", row.Phase, row.Reason)
	}
	s.ends("web-1", "tell", v1alpha1.StepSucceeded)
	run = s.passes()
	if run.Status.Phase != v1alpha1.RunFailed || run.Status.FinishTime == nil || len(run.Status.Failures) != 1 {
		t.Errorf("the run says %s, failures %+v", waits(run), run.Status.Failures)
	}
}

func TestAnActionOfAnEarlierLeaderWaitsForItsPackage(t *testing.T) {
	s := newStage(t, process(deploy("install")), []string{"web-1"})
	s.passes()
	s.newLeader()
	s.started = map[string]bool{} // it was not sent before the earlier leader ended
	s.packageState = packages.Pending
	s.passes()
	a := s.actions[s.ticket("web-1", "install")]
	if a == nil || !a.Resume || a.waits == nil || a.waits.Final || a.waits.Reason != v1alpha1.ReasonPackagePending {
		t.Fatalf("the machine is not asked, or the package is taken for there: %+v", a)
	}
	s.packageState, s.packageErr = packages.Failed, packages.ErrChanged
	if s.passes(); s.row("web-1", "install").Reason != v1alpha1.ReasonPackageChanged {
		t.Errorf("a package that is another one: %+v", s.row("web-1", "install"))
	}
}

func TestAnActionKeepsNothingThatAPassRead(t *testing.T) {
	s := newStage(t, process(deploy("install")), []string{"web-1"})
	read := weak.Pointer[v1alpha1.DeploymentTarget]{}
	action := func() dispatch.Action {
		run := &v1alpha1.DeploymentRun{}
		if err := s.client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "run"}, run); err != nil {
			t.Fatal(err)
		}
		f, err := s.gather(t.Context(), run)
		if err != nil {
			t.Fatal(err)
		}
		f.Active.ledger.Begin(ledger.Key{}, 1, s.clock, "")
		read = weak.Make(f.Targets["web-1"])
		return s.action(f, ledger.Key{}, plan.Evaluation{})
	}()
	for deadline := time.Now().Add(10 * time.Second); read.Value() != nil; runtime.GC() {
		if time.Now().After(deadline) {
			t.Fatal("the targets stay in memory as long as the action does")
		}
	}
	if _, err := action.Prepare(t.Context()); err != nil {
		t.Error(err)
	}
}
