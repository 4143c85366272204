package desired

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

func target(name string, roles ...v1alpha1.Role) v1alpha1.DeploymentTarget {
	return v1alpha1.DeploymentTarget{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1alpha1.DeploymentTargetSpec{Environments: []v1alpha1.ObjectName{"production"}, Roles: roles},
	}
}

func TestDesired(t *testing.T) {
	targets := []v1alpha1.DeploymentTarget{target("web-2", "web"), target("db-1", "db"), target("web-1", "web"), target("lb-1", "lb")}
	targets = append(targets, v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Name: "elsewhere"},
		Spec: v1alpha1.DeploymentTargetSpec{Environments: []v1alpha1.ObjectName{"staging"}, Roles: []v1alpha1.Role{"web"}}})
	steps := []v1alpha1.Step{{Name: "a", Roles: []v1alpha1.Role{"web"}}, {Name: "b", Roles: []v1alpha1.Role{"db"}}}

	tests := map[string]struct {
		narrow *v1alpha1.BindingTargets
		want   []string
	}{
		"all that a step addresses, by name": {nil, []string{"db-1", "web-1", "web-2"}},
		"narrowed by name":                   {&v1alpha1.BindingTargets{Names: []v1alpha1.ObjectName{"web-2", "lb-1"}}, []string{"web-2"}},
		"narrowed by role":                   {&v1alpha1.BindingTargets{Roles: []v1alpha1.Role{"web"}}, []string{"web-1", "web-2"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, d := range Desired(v1alpha1.ReleaseBindingSpec{Environment: "production", Targets: tt.narrow}, steps, targets) {
				got = append(got, d.Name)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHashIgnoresTheOrderOfNames(t *testing.T) {
	a := Hash("shop-1.0.0-abc", &v1alpha1.BindingTargets{Names: []v1alpha1.ObjectName{"a", "b"}})
	b := Hash("shop-1.0.0-abc", &v1alpha1.BindingTargets{Names: []v1alpha1.ObjectName{"b", "a"}})
	if a != b {
		t.Errorf("the same names in another order are another wish: %s, %s", a, b)
	}
	if a == Hash("shop-1.0.1-abc", nil) || Hash("x", nil) == a {
		t.Error("another snapshot or other targets must be another wish")
	}
}

func TestRunNameIsDerived(t *testing.T) {
	b := &v1alpha1.ReleaseBinding{ObjectMeta: metav1.ObjectMeta{Name: "shop-production", UID: "u1"}}
	first := RunName(b, "w1", "", 1)
	if first != RunName(b, "w1", "", 1) {
		t.Error("the same facts must give the same name")
	}
	for what, other := range map[string]string{
		"wish": RunName(b, "w2", "", 1), "retry": RunName(b, "w1", "again", 1), "place in the chain": RunName(b, "w1", "", 2),
	} {
		if other == first {
			t.Errorf("another %s must give another name", what)
		}
	}
}

// The names of a binding's runs, as kubectl lists them, are in the order in which they were made.
func TestRunNamesAreInTheOrderOfTime(t *testing.T) {
	b := &v1alpha1.ReleaseBinding{ObjectMeta: metav1.ObjectMeta{Name: "shop-production", UID: "u1"}}
	var names []string
	for sequence := range int64(300) {
		names = append(names, RunName(b, "w1", "", sequence+1))
	}
	if !slices.IsSorted(names) {
		t.Errorf("%v", names)
	}
}

func run(name, hash, sequence string, phase v1alpha1.RunPhase, purpose v1alpha1.RunPurpose) v1alpha1.DeploymentRun {
	return v1alpha1.DeploymentRun{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Annotations: map[string]string{
			v1alpha1.AnnotationDesiredHash: hash, v1alpha1.AnnotationSequence: sequence}},
		Spec:   v1alpha1.DeploymentRunSpec{Purpose: purpose},
		Status: v1alpha1.DeploymentRunStatus{Phase: phase, StartTime: &metav1.Time{}},
	}
}

func TestChain(t *testing.T) {
	c := NewChain([]v1alpha1.DeploymentRun{
		run("c", "w1", "10", v1alpha1.RunFailed, v1alpha1.PurposeConvergence),
		run("a", "w1", "2", v1alpha1.RunFailed, v1alpha1.PurposeRollout),
		run("b", "w1", "9", v1alpha1.RunSucceeded, v1alpha1.PurposeRollout),
		run("x", "w0", "3", v1alpha1.RunSuperseded, v1alpha1.PurposeRollout),
	})
	if got := c.Newest().Name; got != "c" {
		t.Errorf("newest is %s", got)
	}
	huge := run("h", "w1", "9223372036854775807", v1alpha1.RunFailed, v1alpha1.PurposeRollout)
	if n := Sequence(&huge); n != 0 {
		t.Errorf("a number that leaves no room for the next one counts as %d", n)
	}
	record := Resume(nil, c, "w1", "")
	since := Unrecorded(record, c)
	if len(since) != 2 || since[0].Name != "b" {
		t.Errorf("the runs for what is desired reach back to when it last changed, not further: %v", since)
	}
	for i := range since {
		Add(record, &since[i], nil)
	}
	web := target("web-1", "web")
	web.Status.Installed = []v1alpha1.InstalledRelease{{Project: "shop", Environment: "production", Phase: v1alpha1.InstalledFailed, RunUID: "c"}}
	if !Excluded(record, &web, "shop", "production") {
		t.Error("a target that failed in a Convergence is left out")
	}
	if Excluded(Resume(record, c, "w1", "again"), &web, "shop", "production") {
		t.Error("a new retry token lets them in again")
	}
}

func TestAFullTargetNeverShowsAnotherProject(t *testing.T) {
	r := run("r", "w1", "1", v1alpha1.RunSucceeded, v1alpha1.PurposeRollout)
	r.Spec.Project, r.Spec.Environment = "shop", "production"
	web := target("web-1", "web")
	for i := range MaxInstalled {
		if Shows(&web, &r, nil) {
			t.Fatalf("with %d other projects there is room for it", i)
		}
		web.Status.Installed = append(web.Status.Installed, v1alpha1.InstalledRelease{Project: fmt.Sprintf("other-%d", i), Environment: "production"})
	}
	if !Shows(&web, &r, nil) {
		t.Error("it is waited for, and will never come")
	}
	web.Status.Installed[0].Project = "shop"
	if Shows(&web, &r, nil) {
		t.Error("its row speaks of an older run")
	}
}

func row(phase v1alpha1.StepPhase, reason string, steps ...v1alpha1.ActionStatus) *v1alpha1.TargetResult {
	return &v1alpha1.TargetResult{Target: "web-1", Phase: phase, Reason: reason, Steps: steps}
}

func action(phase v1alpha1.StepPhase, reason string, sent bool) v1alpha1.ActionStatus {
	return v1alpha1.ActionStatus{Name: "install", Phase: phase, Reason: reason, Sent: sent}
}

func TestWhatARunSaysOfATarget(t *testing.T) {
	const ok, failed, running = v1alpha1.RunSucceeded, v1alpha1.RunFailed, v1alpha1.RunRunning
	for name, tt := range map[string]struct {
		run    v1alpha1.RunPhase
		result *v1alpha1.TargetResult
		want   v1alpha1.InstalledPhase
	}{
		"it goes on":                               {running, row(v1alpha1.StepRunning, "", action(v1alpha1.StepRunning, "", true)), ""},
		"the target has ended before the run":      {running, row(v1alpha1.StepSucceeded, "", action(v1alpha1.StepSucceeded, "", true)), v1alpha1.InstalledSucceeded},
		"the machine was away, and that fails it":  {failed, row(v1alpha1.StepFailed, v1alpha1.ReasonUnavailable, action(v1alpha1.StepFailed, v1alpha1.ReasonUnavailable, false)), ""},
		"nothing could be prepared for it":         {failed, row(v1alpha1.StepFailed, v1alpha1.ReasonVariableMissing, action(v1alpha1.StepFailed, v1alpha1.ReasonVariableMissing, false)), ""},
		"a script failed":                          {failed, row(v1alpha1.StepFailed, v1alpha1.ReasonExitCode, action(v1alpha1.StepFailed, v1alpha1.ReasonExitCode, true)), v1alpha1.InstalledFailed},
		"away in the middle":                       {failed, row(v1alpha1.StepFailed, v1alpha1.ReasonUnavailable, action(v1alpha1.StepSucceeded, "", true), action(v1alpha1.StepFailed, v1alpha1.ReasonUnavailable, false)), v1alpha1.InstalledFailed},
		"stopped in the middle":                    {failed, row(v1alpha1.StepCancelled, "", action(v1alpha1.StepSucceeded, "", true)), v1alpha1.InstalledIncomplete},
		"not reached by a run that failed":         {failed, nil, ""},
		"not reached by a run that was superseded": {v1alpha1.RunSuperseded, nil, ""},
		"all well":        {ok, row(v1alpha1.StepSucceeded, "", action(v1alpha1.StepSucceeded, "", true)), v1alpha1.InstalledSucceeded},
		"nothing was due": {ok, nil, v1alpha1.InstalledSucceeded},
		"nothing was due, and the others were away":    {v1alpha1.RunSkipped, nil, v1alpha1.InstalledSucceeded},
		"all steps were passed over by a condition":    {ok, row(v1alpha1.StepSkipped, "", action(v1alpha1.StepSkipped, v1alpha1.ReasonCondition, false)), v1alpha1.InstalledSucceeded},
		"away at its turn":                             {ok, row(v1alpha1.StepSkipped, v1alpha1.ReasonUnavailable, action(v1alpha1.StepSkipped, v1alpha1.ReasonUnavailable, false)), ""},
		"cordoned at its turn":                         {ok, row(v1alpha1.StepSkipped, v1alpha1.ReasonCordoned, action(v1alpha1.StepSkipped, v1alpha1.ReasonCordoned, false)), ""},
		"deleted meanwhile":                            {ok, row(v1alpha1.StepSkipped, v1alpha1.ReasonTargetDeleted, action(v1alpha1.StepSkipped, v1alpha1.ReasonTargetDeleted, false)), ""},
		"one that failed in a run that succeeded":      {ok, row(v1alpha1.StepFailed, v1alpha1.ReasonVariableMissing, action(v1alpha1.StepFailed, v1alpha1.ReasonVariableMissing, false)), v1alpha1.InstalledFailed},
		"its last step was missed, an earlier was not": {ok, row(v1alpha1.StepCancelled, "", action(v1alpha1.StepSucceeded, "", true), action(v1alpha1.StepSkipped, v1alpha1.ReasonCordoned, false)), v1alpha1.InstalledIncomplete},
	} {
		r := &v1alpha1.DeploymentRun{Status: v1alpha1.DeploymentRunStatus{Phase: tt.run}}
		if got := Outcome(r, v1alpha1.SliceTarget{Name: "web-1", Steps: []int32{0}}, tt.result); got != tt.want {
			t.Errorf("%s: %q, wanted %q", name, got, tt.want)
		}
	}
}
