package binding

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

// recordedBefore is what the binding's status says of the runs before, and asks is the retry token that is set now.
func recordedBefore(record v1alpha1.BindingRecord, asks string) func(*facts) {
	return func(f *facts) {
		record.Hash = desired.Hash(snap, nil)
		f.Binding.Status.Record = &record
		f.Binding.Annotations = map[string]string{v1alpha1.AnnotationRetry: asks}
	}
}

// A retry token asks for what failed; where nothing did, it asks for the same release again.
func TestARetryTokenDeploysAgainWhereNothingFailed(t *testing.T) {
	ok, bad := v1alpha1.InstalledSucceeded, v1alpha1.InstalledFailed
	all := targets(web("a", has(snap, ok, "r")), web("b", has(snap, ok, "r")))
	one := targets(web("a", has(snap, ok, "r")), web("b", has(snap, bad, "r")))
	for name, tt := range map[string]struct {
		facts   facts
		purpose v1alpha1.RunPurpose
		want    string // the targets, in the decision's words
	}{
		"all have it":                      {world(all, recordedBefore(v1alpha1.BindingRecord{Retry: "old", Deployed: true}, "new")), v1alpha1.PurposeRollout, "again to a, b"},
		"all have it, and no run is known": {world(all, recordedBefore(v1alpha1.BindingRecord{}, "new")), v1alpha1.PurposeRollout, "again to a, b"},
		"one is away": {world(targets(web("a", has(snap, ok, "r")), web("b", has(snap, ok, "r"), health(v1alpha1.HealthUnavailable))),
			recordedBefore(v1alpha1.BindingRecord{Deployed: true}, "new")), v1alpha1.PurposeRollout, "again to a"},
		"one joined": {world(targets(web("a", has(snap, ok, "r")), web("b")), recordedBefore(v1alpha1.BindingRecord{Deployed: true}, "new")),
			v1alpha1.PurposeRollout, "again to a, b"},
		"the token is handled":    {world(all, recordedBefore(v1alpha1.BindingRecord{Retry: "new", Deployed: true}, "new")), "", ""},
		"the token is taken away": {world(all, recordedBefore(v1alpha1.BindingRecord{Retry: "old", Deployed: true}, "")), "", ""},
		"the run is not made yet": {world(all, recordedBefore(v1alpha1.BindingRecord{Retry: "new", Deployed: true, Redeploy: true}, "new")),
			v1alpha1.PurposeRollout, "again to a, b"},
		"one failed": {world(one, recordedBefore(v1alpha1.BindingRecord{Hold: &v1alpha1.BindingHold{Reason: v1alpha1.ReasonRunFailed}}, "new")),
			v1alpha1.PurposeRollout, "1.0.0 to b"},
		"one failed to converge": {world(one, recordedBefore(v1alpha1.BindingRecord{Deployed: true, FailedRuns: []types.UID{"r"}}, "new")),
			v1alpha1.PurposeConvergence, "1.0.0 to b"},
		"one failed when it was deployed again": {world(one, recordedBefore(
			v1alpha1.BindingRecord{Deployed: true, Redeploy: true, Retry: "old", Hold: &v1alpha1.BindingHold{Reason: v1alpha1.ReasonRunFailed}}, "new")),
			v1alpha1.PurposeRollout, "again to a, b"},
		"a new binding comes with a token": {world(all, func(f *facts) {
			f.Binding.Annotations = map[string]string{v1alpha1.AnnotationRetry: "new"}
		}), "", ""},
		"another release comes with a token": {world(all, recordedBefore(v1alpha1.BindingRecord{}, "new"), func(f *facts) {
			f.Binding.Status.Record.Hash = "other"
		}), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := decide(tt.facts)
			var purpose v1alpha1.RunPurpose
			if d.Make != nil {
				purpose = d.Make.Purpose
			}
			if purpose != tt.purpose || !strings.HasSuffix(d.Message, tt.want) {
				t.Errorf("made a run for %q (%s), want %q %s", purpose, d.Message, tt.purpose, tt.want)
			}
		})
	}
}

// A binding gives the cause that its release gives, so that nobody has to look there.
func TestABindingSaysWhyItsReleaseIsNotReady(t *testing.T) {
	for reason, stalled := range map[string]bool{v1alpha1.ReasonPackageRefused: true, v1alpha1.ReasonProjectNotReady: false} {
		d := decide(world(func(f *facts) {
			f.Process = nil
			c := status.Conditions{List: &f.Release.Status.Conditions}
			if stalled {
				c.Stalled(reason, "the cause")
				return
			}
			c.Reconciling(reason, "the cause")
		}))
		if want := "Release shop-1.0.0 is not ready: " + reason + ": the cause"; d.Message != want || (d.State == stateStalled) != stalled {
			t.Errorf("%s: %s, want %s", d.State, d.Message, want)
		}
	}
}

// A target that was healthy all the time did not come back.
func TestATargetThatMissedItsTurnDidNotComeBack(t *testing.T) {
	d := decide(world(ran("r", "", v1alpha1.RunSkipped, v1alpha1.PurposeRollout), skipped("b"), targets(web("b"))))
	if want := "run r skipped b, which could not be deployed to at that time; the next run starts within 10s"; d.Message != want {
		t.Errorf("it says %q, want %q", d.Message, want)
	}
}

// A role that is misspelt is seen beside those that the machines have, without spec.targets being blamed that nobody set.
func TestNoTargetsNamesTheRoles(t *testing.T) {
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("role-%02d", i))
	}
	const remedy = "; change the steps, or the targets, or set settings.noTargets of the project to Succeed"
	for name, tt := range map[string]struct {
		mismatch mismatch
		want     string
	}{
		"none": {mismatch{}, "environment production has no DeploymentTarget; add one, or set settings.noTargets of the project to Succeed"},
		"narrowed": {mismatch{Members: 3},
			"spec.targets selects none of the 3 DeploymentTargets of environment production; change spec.targets, or the targets, or set settings.noTargets of the project to Succeed"},
		"misspelt": {mismatch{Members: 3, Selected: 2, StepRoles: []string{"wbe"}, TargetRoles: []string{"db", "web"}},
			"no DeploymentTarget of environment production has a role of a step: the steps have the roles wbe, and the targets have db, web" + remedy},
		"many": {mismatch{Members: 100, Selected: 100, StepRoles: many, TargetRoles: many}, "no DeploymentTarget of environment production has a role of a step: the steps have the roles " +
			"role-00, role-01, role-02, role-03, role-04 and 95 more, and the targets have role-00, role-01, role-02, role-03, role-04 and 95 more" + remedy},
	} {
		if d := decide(world(targets(), func(f *facts) { f.Mismatch = tt.mismatch })); d.Reason != v1alpha1.ReasonNoTargets || d.Message != tt.want {
			t.Errorf("%s: it says\n%s, want\n%s", name, d.Message, tt.want)
		}
	}
}

// What spec.release says is what is desired; what the targets run is told apart from it, also while the operator is away.
func TestABindingTellsWhatItsTargetsRun(t *testing.T) {
	of := func(release string, phase v1alpha1.InstalledPhase) func(*v1alpha1.DeploymentTarget) {
		return func(t *v1alpha1.DeploymentTarget) {
			has("some", phase, "r")(t)
			t.Status.Installed[0].Release = release
		}
	}
	const ok = v1alpha1.InstalledSucceeded
	for want, f := range map[string]facts{
		"":                     world(),
		"1.0.0":                world(targets(web("a", of("1.0.0", ok)), web("b", of("1.0.0", ok)))),
		"1.0.0 (0.9.0 1)":      world(targets(web("a", of("0.9.0", ok)), web("b", of("1.0.0", ok)))),
		"0.9.0 (1.0.0 1)":      world(targets(web("a", of("0.9.0", ok)), web("b", of("1.0.0", ok)), web("c", of("0.9.0", ok)))),
		"(1 failed)":           world(targets(web("a", of("1.0.0", v1alpha1.InstalledFailed)), web("b"))),
		"as it was last known": world(func(f *facts) { f.Process, f.Binding.Status.Running = nil, "as it was last known" }),
	} {
		describe(f, decide(f))
		if got := f.Binding.Status.Running; got != want {
			t.Errorf("it runs %q, want %q", got, want)
		}
	}
}
