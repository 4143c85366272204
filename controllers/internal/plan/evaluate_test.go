package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
)

func TestWaitsAreBoundedAndThoseThatOnlyPrepareComeLast(t *testing.T) {
	v := View{Now: time.Now(), Steps: []v1alpha1.Step{{Name: "install"}}}
	for i := range 100 {
		a := &ledger.Attempt{Number: 1, Phase: v1alpha1.StepRunning, StartTime: v.Now, Reason: v1alpha1.ReasonPreparing}
		if i%30 == 29 {
			a.Reason, a.Message = v1alpha1.ReasonNotPrepared, "secret db is not there"
		}
		v.Targets = append(v.Targets, Target{Name: fmt.Sprintf("web-%02d", i), Steps: []int32{0}})
		v.Attempts = append(v.Attempts, []*ledger.Attempt{a})
	}
	e := Evaluate(v)
	if len(e.Waits) != 20 || e.Waiting != 3 {
		t.Fatalf("%d actions wait for more than to be prepared, and %d are told", e.Waiting, len(e.Waits))
	}
	for i, want := range []string{
		"install waits on web-29: secret db is not there", "install waits on web-59: secret db is not there",
		"install waits on web-89: secret db is not there", "install waits on web-00: Preparing", "install waits on web-01: Preparing",
	} {
		if got := e.Waits[i]; got.Message != want || got.Phase != v1alpha1.RunRunning || got.Stalled {
			t.Errorf("wait %d is %+v, want %q", i, got, want)
		}
	}
}

func TestUnsentGoesBySettingsUnlessTheRunHadBegun(t *testing.T) {
	fail := v1alpha1.ProjectSettings{UnavailableTargets: v1alpha1.UnavailableFail}
	for _, c := range []struct {
		settings v1alpha1.ProjectSettings
		sent     bool
		tried    time.Duration
		phase    v1alpha1.StepPhase
		message  string
	}{
		{v1alpha1.ProjectSettings{}, false, time.Minute, v1alpha1.StepSkipped, "the target could not be reached within 1m0s: NoRoute: no route to host"},
		{fail, false, 0, v1alpha1.StepFailed, "the target could not be reached: NoRoute: no route to host"},
		{v1alpha1.ProjectSettings{}, true, time.Second, v1alpha1.StepFailed,
			"the target could not be reached within 1s: NoRoute: no route to host (the run had already started on it)"},
	} {
		phase, reason, message := Unsent(c.settings, c.sent, c.tried, v1alpha1.ReasonNoRoute, "no route to host")
		if phase != c.phase || reason != v1alpha1.ReasonUnavailable || message != c.message {
			t.Errorf("%+v: %s (%s): %s", c, phase, reason, message)
		}
	}
}

func TestWhereNamesNoProcessThatIsNotKnown(t *testing.T) {
	for _, c := range []struct {
		host string
		pids []int
		want string
	}{
		{"", nil, "web-1"},
		{"10.0.0.1:10933", nil, "web-1 (10.0.0.1:10933)"},
		{"10.0.0.1:10933", []int{7}, "process 7 on web-1 (10.0.0.1:10933)"},
		{"", []int{1, 2, 3, 4, 5, 6, 7}, "processes 1, 2, 3, 4, 5 and 2 more on web-1"},
	} {
		if got := Where("web-1", c.host, c.pids); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// What addresses a target and what was attempted is read back from the API, so it may be wrong.
func TestAViewThatDoesNotFitTheProcessIsNoPanic(t *testing.T) {
	running := &ledger.Attempt{Number: 1, Phase: v1alpha1.StepRunning}
	v := View{Now: time.Now(), Steps: []v1alpha1.Step{{Name: "install"}}, Targets: []Target{
		{Name: "web-1", Steps: []int32{-1, 0, 7}}, {Name: "web-2", Steps: []int32{0}},
	}, Attempts: [][]*ledger.Attempt{{nil, running, running}}}
	e := Evaluate(v)
	if len(e.Start) != 2 || e.Targets.Running != 2 {
		t.Errorf("started are %+v, counted %+v", e.Start, e.Targets)
	}
	for _, k := range []Key{{Target: -1}, {Leaf: 1}, {Target: 9, Leaf: 9}} {
		if e.Completes(k) {
			t.Errorf("%v completes something", k)
		}
	}
}

func TestAMessageIsOneSentence(t *testing.T) {
	for _, c := range []struct {
		unavailable, cordoned int32
		reason, want          string
	}{
		{1, 0, v1alpha1.ReasonUnavailable, "1 target could not be reached; the release is deployed to it when it is reachable again"},
		{0, 1, v1alpha1.ReasonCordoned, "1 target is cordoned; the release is deployed to it when it is no longer cordoned"},
		{3, 1, v1alpha1.ReasonUnavailable, "3 targets could not be reached, 1 target is cordoned; the release is deployed to them when they are reachable again or no longer cordoned"},
	} {
		if reason, message := nothingDeployed(c.unavailable, c.cordoned); reason != c.reason || strings.TrimPrefix(message, "nothing was deployed: ") != c.want {
			t.Errorf("%s: %s", reason, message)
		}
	}
}

// A rolling step shows where it is, and not its first child until the last machine has done it.
func TestTheCurrentStepGoesWithTheRun(t *testing.T) {
	child := func(name v1alpha1.StepName) v1alpha1.ChildStep { return v1alpha1.ChildStep{Name: name} }
	two := intstr.FromInt32(2)
	for name, tt := range map[string]struct {
		window *intstr.IntOrString
		want   string
	}{
		"one by one":  {nil, "web/drain (0/2), web/install (0/2), web/smoke (0/2), web/drain (1/2), web/install (1/2), web/smoke (1/2), tell (0/2)"},
		"two at once": {&two, "web/drain (0/2), web/install (0/2), web/smoke (0/2), tell (0/2)"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, script{Targets: []string{"web-1", "web-2"}, Steps: []v1alpha1.Step{
				{Name: "web", Window: tt.window, Steps: []v1alpha1.ChildStep{child("drain"), child("install"), child("smoke")}}, {Name: "tell"},
			}})
			var seen []string
			s.check = func(e Evaluation) {
				if n := len(seen); e.CurrentStep != "" && (n == 0 || seen[n-1] != e.CurrentStep) {
					seen = append(seen, e.CurrentStep)
				}
			}
			s.play()
			if got := strings.Join(seen, ", "); got != tt.want {
				t.Errorf("it shows %s, want %s", got, tt.want)
			}
		})
	}
}
