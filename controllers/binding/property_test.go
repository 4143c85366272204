package binding

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
)

// fleet is a binding with targets whose runs end in any way.
type fleet struct {
	facts
	*rand.Rand
	slices map[types.UID][]v1alpha1.DeploymentRunSlice
	runs   int
	story  []string
}

func newFleet(seed uint64) *fleet {
	f := &fleet{Rand: rand.New(rand.NewPCG(seed, 1)), slices: map[types.UID][]v1alpha1.DeploymentRunSlice{}}
	var steps []v1alpha1.Step
	for i, role := range []v1alpha1.Role{"web", "db", "lb"}[:1+f.IntN(3)] {
		steps = append(steps, v1alpha1.Step{Name: v1alpha1.StepName("step-" + strconv.Itoa(i)), Roles: []v1alpha1.Role{role}})
	}
	steps = append(steps, v1alpha1.Step{Name: "clean", StepModifiers: v1alpha1.StepModifiers{Condition: v1alpha1.ConditionFailure}})
	var all []v1alpha1.DeploymentTarget
	for i := range 1 + f.IntN(6) {
		all = append(all, web(fmt.Sprintf("t-%d", i), func(t *v1alpha1.DeploymentTarget) { t.Spec.Roles = f.roles() }))
	}
	f.facts = world(targets(all...), func(w *facts) {
		w.Process = &v1alpha1.ProjectSpec{Steps: steps, Settings: v1alpha1.ProjectSettings{NoTargets: v1alpha1.NoTargetsSucceed}}
	})
	f.Desired = desired.Desired(f.Binding.Spec, steps, f.Desired)
	return f
}

func (f *fleet) roles() []v1alpha1.Role {
	all := []v1alpha1.Role{"web", "db", "lb"}
	f.Shuffle(3, func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:1+f.IntN(3)]
}

// pass judges the binding and stores its status, as Reconcile does.
func (f *fleet) pass() decision {
	f.Now = f.Now.Add(time.Hour) // what was just skipped waits no longer
	f.Record = desired.Resume(f.Binding.Status.Record, f.Chain, f.hash(), desired.Retry(f.Binding, f.Chain))
	for _, run := range desired.Unrecorded(f.Record, f.Chain) {
		desired.Add(f.Record, &run, desired.Refused(&run, f.slices[run.UID], f.Desired))
	}
	desired.Forget(f.Record, "shop", "production", f.Desired, f.upToDate)
	f.Expected, f.Skipped = nil, nil
	if newest := f.Chain.Newest(); newest != nil {
		f.Expected, f.Skipped = desired.Expected(newest, f.slices[newest.UID], f.Desired)
	}
	d := decide(f.facts)
	describe(f.facts, d)
	return d
}

// run carries a run out and has the targets show it. Its targets end in any way; who was left out is away from then on.
func (f *fleet) run(next *newRun) {
	f.runs++
	f.Now = f.Now.Add(time.Minute)
	run := runFor(f.Binding, next)
	run.UID, run.Finalizers = types.UID("run-"+strconv.Itoa(f.runs)), nil
	at := metav1.NewTime(f.Now)
	run.Status = v1alpha1.DeploymentRunStatus{Phase: v1alpha1.RunSucceeded, Snapshot: snap, StartTime: &at, FinishTime: &at}
	var slice v1alpha1.DeploymentRunSlice
	words := []string{string(next.Purpose)}
	for _, t := range desired.Outdated(f.Binding, run, snap, f.Process.Steps, f.Desired) {
		place := v1alpha1.SliceTarget{Name: t.Name, UID: t.UID}
		for i, s := range f.Process.Steps {
			if s.Addresses(t.Spec.Roles) {
				place.Steps = append(place.Steps, int32(i))
			}
		}
		slice.Spec.Targets = append(slice.Spec.Targets, place)
		words = append(words, f.end(run, &slice, t.Name))
	}
	if f.IntN(8) == 0 {
		run.Status.Phase = v1alpha1.RunCancelled
	}
	f.story = append(f.story, strings.Join(words, " ")+": "+string(run.Status.Phase))
	f.slices[run.UID], f.Chain = []v1alpha1.DeploymentRunSlice{slice}, append(f.Chain, *run)
	f.show(run, slice)
}

// end ends the run in one way for a target.
func (f *fleet) end(run *v1alpha1.DeploymentRun, slice *v1alpha1.DeploymentRunSlice, name string) string {
	add := func(phase v1alpha1.StepPhase, reason string, sent bool) {
		slice.Status.Results = append(slice.Status.Results, v1alpha1.TargetResult{Target: name, Phase: phase, Reason: reason,
			Steps: []v1alpha1.ActionStatus{{Name: "step", Phase: phase, Reason: reason, Sent: sent}}})
	}
	what := []string{"well", "well", "had nothing to do", "passed over", "failed", "refused", "away"}[f.IntN(7)]
	switch what {
	case "well":
		add(v1alpha1.StepSucceeded, "", true)
		run.Status.Targets.Succeeded++
	case "passed over":
		add(v1alpha1.StepSkipped, v1alpha1.ReasonCondition, false)
	case "failed":
		add(v1alpha1.StepFailed, v1alpha1.ReasonExitCode, true)
		run.Status.Phase = v1alpha1.RunFailed
	case "refused":
		add(v1alpha1.StepFailed, v1alpha1.ReasonVariableMissing, false)
		run.Status.Phase = v1alpha1.RunFailed
	case "away":
		add(v1alpha1.StepSkipped, v1alpha1.ReasonUnavailable, false)
		for i := range f.Desired {
			if f.Desired[i].Name == name {
				f.Desired[i].Status.Health = v1alpha1.HealthUnavailable
			}
		}
	}
	return name + " " + what
}

// show writes what the run did into the targets' status, as the target controller does.
func (f *fleet) show(run *v1alpha1.DeploymentRun, slice v1alpha1.DeploymentRunSlice) {
	desired.Each([]v1alpha1.DeploymentRunSlice{slice}, f.Desired, func(place v1alpha1.SliceTarget, result *v1alpha1.TargetResult) {
		phase := desired.Outcome(run, place, result)
		if phase == "" {
			return
		}
		for i := range f.Desired {
			if f.Desired[i].UID == place.UID {
				f.Desired[i].Status.Installed = []v1alpha1.InstalledRelease{{Project: "shop", Environment: "production", Release: "1.0.0", Snapshot: snap,
					RunUID: run.UID, Phase: phase, Time: run.Status.FinishTime, Steps: desired.StepNames(f.Process.Steps, place.Steps)}}
			}
		}
	})
}

// change has one target be there again, or be given other roles. It tells whether a run may follow.
func (f *fleet) change() {
	if len(f.Desired) == 0 {
		return
	}
	t := &f.Desired[f.IntN(len(f.Desired))]
	t.Status.Health = v1alpha1.HealthHealthy
	if f.IntN(2) == 0 {
		t.Spec.Roles = []v1alpha1.Role{"web", "db", "lb"}
	}
	f.story = append(f.story, t.Name+" changes")
}

// settle has the binding make the runs that it wants, each for targets that none before it has judged. After a Convergence
// in which targets failed, the others get one of their own: it says nothing of those that nothing was sent to.
func (f *fleet) settle(t *testing.T, seed uint64) {
	t.Helper()
	for left := len(f.Desired) + 1; ; left-- {
		d := f.pass()
		if d.Make == nil {
			return
		}
		if left == 0 || len(f.story) > 0 && strings.HasSuffix(f.story[len(f.story)-1], "!") {
			t.Fatalf("seed %d: after %s it makes another run: %s", seed, strings.Join(f.story, "; "), d.Message)
		}
		f.run(d.Make)
		newest := f.Chain.Newest()
		others := newest.Status.Phase == v1alpha1.RunFailed && newest.Spec.Purpose == v1alpha1.PurposeConvergence
		if f.IntN(2) == 0 {
			f.pass() // it takes in how the run ended before the run may go
			f.Chain = f.Chain[:len(f.Chain)-1]
			f.story = append(f.story, "the run is deleted")
		}
		if !others {
			f.story = append(f.story, "no other run!")
		}
	}
}

// After any run, with facts unchanged, the binding makes no other: neither at once, nor when the run is deleted.
func TestAfterAnyRunTheBindingMakesNoOther(t *testing.T) {
	runs := 0
	for seed := range uint64(2000) {
		f := newFleet(seed)
		for range 4 {
			f.settle(t, seed)
			f.change()
		}
		runs += f.runs
	}
	if runs < 2000 {
		t.Errorf("only %d runs were looked at", runs)
	}
}

// What a target has counts only for the steps that addressed it; a machine's own journal does not tell them.
func TestAStepThatIsNewForATargetMakesItOutdated(t *testing.T) {
	both := func(f *facts) {
		f.Process = &v1alpha1.ProjectSpec{Steps: []v1alpha1.Step{{Name: "web", Roles: []v1alpha1.Role{"web"}}, {Name: "db", Roles: []v1alpha1.Role{"db"}},
			{Name: "clean", StepModifiers: v1alpha1.StepModifiers{Condition: v1alpha1.ConditionFailure}}}}
	}
	having := func(steps ...string) v1alpha1.DeploymentTarget {
		return web("web-1", has(snap, v1alpha1.InstalledSucceeded, "r"), func(t *v1alpha1.DeploymentTarget) {
			t.Spec.Roles = []v1alpha1.Role{"web", "db"}
			t.Status.Installed[0].Steps = steps
		})
	}
	succeeded := ran("r", "", v1alpha1.RunSucceeded, v1alpha1.PurposeRollout)
	if d := decide(world(both, succeeded, targets(having("web")))); d.Make == nil || d.Make.Purpose != v1alpha1.PurposeConvergence || d.Counts.Outdated != 1 {
		t.Errorf("a role that was added: %+v", d)
	}
	for name, target := range map[string]v1alpha1.DeploymentTarget{"both": having("web", "db"), "not known": having()} {
		if d := decide(world(both, succeeded, targets(target))); d.Make != nil || d.State != stateUpToDate {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestThoseLeftOutAreToldApart(t *testing.T) {
	cordoned := func(t *v1alpha1.DeploymentTarget) { t.Spec.Cordoned = true }
	ok := has(snap, v1alpha1.InstalledSucceeded, "r")
	for want, f := range map[string]facts{
		"1 of 2 targets have the release; 1 cordoned":                                                  world(targets(web("a", ok), web("b", cordoned))),
		"1 of 2 targets have the release; 1 unreachable, deployed to when reachable again":             world(targets(web("a", ok), web("b", health(v1alpha1.HealthUnavailable)))),
		"none of 1 targets can be deployed to; 1 cordoned":                                             world(targets(web("b", cordoned))),
		"1 of 4 targets have the release; 1 cordoned; 2 unreachable, deployed to when reachable again": world(targets(web("a", ok), web("b", cordoned), web("c", health(v1alpha1.HealthUntrusted)), web("d", health(v1alpha1.HealthUnavailable)))),
	} {
		d := decide(f)
		if d.Message != want {
			t.Errorf("it says %q, wanted %q", d.Message, want)
		}
		if strings.Contains(want, "cordoned") != (d.Counts.Cordoned == 1) || int(d.Counts.Cordoned+d.Counts.Unavailable+d.Counts.UpToDate) != len(f.Desired) {
			t.Errorf("%s: %+v", want, d.Counts)
		}
	}
}
