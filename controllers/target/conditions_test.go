package target

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	wire "github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
	"github.com/mantledeploy/mantle/controllers/internal/session"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	text, _, err := halibut.NewIdentity("machine", halibut.ECDSA)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func seen(t *v1alpha1.DeploymentTarget, found *result) facts {
	return facts{Now: noon, Target: t, Found: found, Want: checkSpec{machine: session.Machine{Address: "10.0.0.1:10933", Identity: &session.Identity{Thumbprint: "sha256:ab"}}}}
}

func ready(t *testing.T, dt *v1alpha1.DeploymentTarget) metav1.Condition {
	t.Helper()
	c := meta.FindStatusCondition(dt.Status.Conditions, v1alpha1.ConditionReady)
	if c == nil {
		t.Fatal("no condition Ready")
	}
	return *c
}

// The SHA-256 that was seen behind a SHA-1 pin is required from then on, whoever answers in between.
func TestAnImposterDoesNotBecomeTheMachine(t *testing.T) {
	mine, other := certificate(t), certificate(t)
	dt := aTarget()
	dt.Spec.Thumbprint = string(halibut.SHA1Thumbprint(mine))
	describe(seen(dt, &result{At: noon, Probe: session.Probe{Certificate: mine, Facts: able()}}))
	want := string(halibut.SHA256Thumbprint(mine))
	if dt.Status.Certificate.SHA256 != want {
		t.Fatalf("the SHA-256 was not noted: %+v", dt.Status.Certificate)
	}
	for _, presented := range []*x509.Certificate{other, mine} { // the second as one whose SHA-1 collides would be refused
		describe(seen(dt, &result{At: noon, Err: &halibut.ConnectError{Stage: halibut.ThumbprintMismatch, Presented: presented, Err: errors.New("another")}}))
		if dt.Status.Certificate.SHA256 != want || dt.Status.Health != v1alpha1.HealthUntrusted {
			t.Errorf("health %s, certificate %+v", dt.Status.Health, dt.Status.Certificate)
		}
		if c := ready(t, dt); c.Reason == v1alpha1.ReasonThumbprintMismatch && !strings.Contains(c.Message, string(halibut.SHA1Thumbprint(presented))) {
			t.Errorf("what was presented is not told: %s", c.Message)
		}
	}
	dt.Spec.Thumbprint = string(halibut.SHA1Thumbprint(other)) // a person says that the machine was set up anew
	describe(seen(dt, &result{At: noon, Probe: session.Probe{Certificate: other, Facts: able()}}))
	if dt.Status.Certificate.SHA256 != string(halibut.SHA256Thumbprint(other)) {
		t.Errorf("the new pin is not taken: %+v", dt.Status.Certificate)
	}
}

// A certificate of which only the SHA-256 differs is shown as it is told to be wrong, and never taken.
func TestACollidingCertificateIsNotTaken(t *testing.T) {
	mine := certificate(t)
	dt := aTarget()
	dt.Spec.Thumbprint = string(halibut.SHA1Thumbprint(mine))
	dt.Status.Certificate = &v1alpha1.TargetCertificate{SHA1: dt.Spec.Thumbprint, SHA256: "sha256:" + strings.Repeat("0", 64)}
	describe(seen(dt, &result{At: noon, Err: &halibut.ConnectError{Stage: halibut.ThumbprintMismatch, Presented: mine, Err: errors.New("another")}}))
	dt.Spec.Address = "10.0.0.1"
	if w, err := specOf(dt, nil, &session.Identity{}); err != nil || string(w.machine.SHA256) != "sha256:"+strings.Repeat("0", 64) {
		t.Errorf("required from now on: %q, %v", w.machine.SHA256, err)
	}
}

func TestAChangedSpecIsNotCalledHealthyUnseen(t *testing.T) {
	dt := aTarget()
	describe(seen(dt, &result{At: noon, Probe: session.Probe{Facts: able()}}))
	if c := ready(t, dt); c.Status != metav1.ConditionTrue {
		t.Fatalf("not ready: %+v", c)
	}
	describe(seen(dt, nil)) // the operator was restarted
	if c := ready(t, dt); c.Status != metav1.ConditionTrue || dt.Status.Health != v1alpha1.HealthHealthy {
		t.Errorf("a restart changes what is known: %+v", c)
	}
	dt.Generation = 2 // another address, say
	describe(seen(dt, nil))
	if c := ready(t, dt); c.Reason != v1alpha1.ReasonProgressing || c.ObservedGeneration != 2 || dt.Status.Health != v1alpha1.HealthUnknown {
		t.Errorf("health %s, %+v", dt.Status.Health, c)
	}
}

// A machine of two environments stays healthy in the one while the other is waited for, and a person is asked after a minute.
func TestAnEnvironmentThatIsNotThereIsToldOfAHealthyMachine(t *testing.T) {
	dt, clock := aTarget(), noon
	const absent = "spec.environments[1]: there is no Environment staging"
	pass := func(absent string, found *result) {
		f := seen(dt, found)
		f.Now, f.Absent = clock, absent
		describe(f)
	}
	healthy := &result{At: noon, Probe: session.Probe{Facts: able()}}
	told := func(kind string) *metav1.Condition { return meta.FindStatusCondition(dt.Status.Conditions, kind) }
	for range 3 { // a second operator has not looked yet
		pass(absent, healthy)
		pass(absent, nil)
		clock = clock.Add(19 * time.Second)
	}
	if c := told(v1alpha1.ConditionReconciling); c == nil || c.Reason != v1alpha1.ReasonEnvironmentNotFound || c.Message != absent || told(v1alpha1.ConditionStalled) != nil {
		t.Fatalf("it is not waited for: %+v", dt.Status.Conditions)
	}
	clock = clock.Add(5 * time.Second)
	for range 2 {
		pass(absent, healthy)
		if c := told(v1alpha1.ConditionStalled); c == nil || c.Reason != v1alpha1.ReasonEnvironmentNotFound || told(v1alpha1.ConditionReconciling) != nil {
			t.Fatalf("a minute has passed: %+v", dt.Status.Conditions)
		}
	}
	if c := ready(t, dt); c.Status != metav1.ConditionTrue || dt.Status.Health != v1alpha1.HealthHealthy || c.Message != "reachable, trusted and healthy" {
		t.Errorf("health %s, %+v", dt.Status.Health, c)
	}
	if c := told(v1alpha1.ConditionEnvironmentsFound); c == nil || c.Status != metav1.ConditionFalse || c.Message != absent || !c.LastTransitionTime.Time.Equal(noon) {
		t.Errorf("it is told as %+v", c)
	}
	pass("", nil)
	if c := ready(t, dt); told(v1alpha1.ConditionStalled) != nil || c.Message != "reachable, trusted and healthy" || told(v1alpha1.ConditionEnvironmentsFound).Status != metav1.ConditionTrue {
		t.Errorf("it came, and still: %+v", dt.Status.Conditions)
	}
}

// Whoever waits for something else is not asked again and again about an environment.
func TestOnlyWhoWaitsForAnEnvironmentComesAgainForIt(t *testing.T) {
	const absent = "spec.environments[0]: there is no Environment staging"
	for name, tt := range map[string]struct {
		blocked *blocked
		want    time.Duration
	}{
		"healthy":       {nil, status.AbsentFor},
		"wrong address": {&blocked{reason: v1alpha1.ReasonInvalidAddress, stalled: true}, 0},
	} {
		f := seen(aTarget(), &result{At: noon, Probe: session.Probe{Facts: able()}})
		f.Blocked, f.Absent = tt.blocked, absent
		if again := describe(f); again != tt.want {
			t.Errorf("%s: comes again after %s, wanted %s", name, again, tt.want)
		}
	}
}

func TestAnEnvironmentIsWaitedForAnewAfterAChangeOfTheSpec(t *testing.T) {
	dt, clock := aTarget(), noon
	pass := func() {
		f := seen(dt, &result{At: noon, Probe: session.Probe{Facts: able()}})
		f.Now, f.Absent = clock, "spec.environments[0]: there is no Environment staging"
		describe(f)
	}
	pass()
	clock = clock.Add(50 * time.Second)
	dt.Generation++ // another name that is not there
	pass()
	clock = clock.Add(50 * time.Second)
	pass()
	if c := meta.FindStatusCondition(dt.Status.Conditions, v1alpha1.ConditionStalled); c != nil {
		t.Errorf("50 seconds after the change a person is asked: %+v", c)
	}
	clock = clock.Add(10 * time.Second)
	pass()
	if c := meta.FindStatusCondition(dt.Status.Conditions, v1alpha1.ConditionStalled); c == nil {
		t.Errorf("a minute has passed: %+v", dt.Status.Conditions)
	}
}

func TestATentacleThatCannotCarryOutStepsIsUnhealthy(t *testing.T) {
	old, none := able(), able()
	old.Engine, none.Services = 0, nil
	lacking := &session.UnfitError{Reason: v1alpha1.ReasonTentacleUnsupported, Message: "no engine"}
	for name, facts := range map[string]session.Probe{"no engine": {Facts: old, Engine: lacking}, "no script service": {Facts: none}} {
		dt := aTarget()
		describe(seen(dt, &result{At: noon, Probe: facts}))
		if c := ready(t, dt); c.Reason != v1alpha1.ReasonTentacleUnsupported || dt.Status.Health != v1alpha1.HealthUnhealthy {
			t.Errorf("%s: health %s, %+v", name, dt.Status.Health, c)
		}
	}
}

func TestAMachineWithoutDiskSpaceIsUnhealthyUntilItHasRoom(t *testing.T) {
	dt, full := aTarget(), able()
	free := int64(120)
	full.LowDisk = &free
	describe(seen(dt, &result{At: noon, Probe: session.Probe{Facts: full}}))
	if c := ready(t, dt); c.Reason != v1alpha1.ReasonLowDisk || !strings.Contains(c.Message, "120 MiB") || dt.Status.Health != v1alpha1.HealthUnhealthy {
		t.Errorf("health %s, %+v", dt.Status.Health, c)
	}
	describe(seen(dt, &result{At: noon, Probe: session.Probe{Facts: able()}}))
	if c := ready(t, dt); c.Status != metav1.ConditionTrue || dt.Status.Health != v1alpha1.HealthHealthy {
		t.Errorf("with room again: health %s, %+v", dt.Status.Health, c)
	}
}

func TestAClockThatIsAheadDoesNotHideRuns(t *testing.T) {
	dt := aTarget()
	ahead := &step.Inventory{Installed: []step.Installed{{Namespace: "shop", Environment: "production", Project: "shop", Release: "1.0.0",
		RunUID: "old", Phase: "Succeeded", Time: noon.Add(5 * time.Hour)}, {Namespace: "bank", Project: "bank", Environment: "production", Time: noon}}}
	describe(seen(dt, &result{At: noon, Probe: session.Probe{Certificate: certificate(t), Facts: able()}, Inventory: ahead}))
	if len(dt.Status.Installed) != 1 {
		t.Fatalf("installed is %+v", dt.Status.Installed)
	}
	later := metav1.NewTime(noon.Add(time.Minute))
	f := seen(dt, nil)
	f.Rows = []v1alpha1.InstalledRelease{{Project: "shop", Environment: "production", Release: "1.1.0", RunUID: "new", Time: &later}}
	describe(f)
	if got := dt.Status.Installed[0].Release; got != "1.1.0" {
		t.Errorf("%s is still said to be installed", got)
	}
}

func TestTheNewestRowWins(t *testing.T) {
	row := func(project, run string, phase v1alpha1.InstalledPhase, minute int) v1alpha1.InstalledRelease {
		at := metav1.NewTime(noon.Add(time.Duration(minute) * time.Minute))
		return v1alpha1.InstalledRelease{Project: project, Environment: "production", Run: run, RunUID: types.UID(run), Phase: phase, Time: &at}
	}
	written := []v1alpha1.InstalledRelease{row("shop", "two", v1alpha1.InstalledIncomplete, 2)}
	got := merge(written, []v1alpha1.InstalledRelease{row("shop", "one", v1alpha1.InstalledSucceeded, 1), row("shop", "two", v1alpha1.InstalledFailed, 1), row("bank", "one", v1alpha1.InstalledSucceeded, 1)})
	want := []v1alpha1.InstalledRelease{row("bank", "one", v1alpha1.InstalledSucceeded, 1), row("shop", "two", v1alpha1.InstalledFailed, 1)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var many []v1alpha1.InstalledRelease
	for i := range 40 {
		many = append(many, row(fmt.Sprint("p", i), "one", v1alpha1.InstalledSucceeded, 1))
	}
	if got := merge(nil, many); len(got) != maxInstalled {
		t.Errorf("%d rows", len(got))
	}
}

func TestWhatARunSaysOfItsTarget(t *testing.T) {
	at := metav1.NewTime(noon)
	begun := []v1alpha1.ActionStatus{{Name: "install", Phase: v1alpha1.StepSucceeded, StartTime: &at, Sent: true}}
	for name, tt := range map[string]struct {
		run    v1alpha1.RunPhase
		result v1alpha1.TargetResult
		want   v1alpha1.InstalledPhase
	}{
		"not begun":             {v1alpha1.RunSucceeded, v1alpha1.TargetResult{Phase: v1alpha1.StepSkipped}, ""},
		"under way":             {v1alpha1.RunRunning, v1alpha1.TargetResult{Phase: v1alpha1.StepRunning, Steps: begun}, ""},
		"well":                  {v1alpha1.RunRunning, v1alpha1.TargetResult{Phase: v1alpha1.StepSucceeded, Steps: begun}, v1alpha1.InstalledSucceeded},
		"failed":                {v1alpha1.RunRunning, v1alpha1.TargetResult{Phase: v1alpha1.StepFailed, Steps: begun}, v1alpha1.InstalledFailed},
		"stopped by its run":    {v1alpha1.RunSuperseded, v1alpha1.TargetResult{Phase: v1alpha1.StepRunning, Steps: begun}, v1alpha1.InstalledIncomplete},
		"cancelled by a person": {v1alpha1.RunCancelled, v1alpha1.TargetResult{Phase: v1alpha1.StepSkipped, Steps: begun}, v1alpha1.InstalledIncomplete},
	} {
		got := v1alpha1.InstalledPhase("")
		if row := desired.Row(&v1alpha1.DeploymentRun{Status: v1alpha1.DeploymentRunStatus{Phase: tt.run, FinishTime: &at}}, v1alpha1.SliceTarget{}, &tt.result); row != nil {
			got = row.Phase
		}
		if got != tt.want {
			t.Errorf("%s: %q, wanted %q", name, got, tt.want)
		}
	}
}

func TestAMissingPolicyIsWaitedForAMinute(t *testing.T) {
	dt := aTarget()
	hourAgo := metav1.NewTime(noon.Add(-time.Hour))
	dt.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonConnectionRefused, LastTransitionTime: hourAgo, ObservedGeneration: 1}}
	if stalled, again := status.Absence(dt.Status.Conditions, v1alpha1.ReasonTargetPolicyNotFound, 1, noon); stalled || again != time.Minute {
		t.Errorf("missed for long: %t, again after %s", stalled, again)
	}
	f := seen(dt, nil)
	f.Blocked = &blocked{reason: v1alpha1.ReasonTargetPolicyNotFound, message: "there is none"}
	describe(f)
	if stalled, again := status.Absence(dt.Status.Conditions, v1alpha1.ReasonTargetPolicyNotFound, 1, noon.Add(time.Second)); stalled || again != 59*time.Second {
		t.Errorf("an absent machine makes its policy missing for long: %t, again after %s", stalled, again)
	}
}

func TestAnIdleTargetIsWrittenTwiceAnHourAtMost(t *testing.T) {
	dt := aTarget()
	check := func(after time.Duration) *metav1.Time {
		describe(seen(dt, &result{At: noon.Add(after), Probe: session.Probe{Facts: able()}}))
		return dt.Status.LastHealthCheck
	}
	first := check(0)
	for minute := 5; minute < 30; minute += 5 {
		if got := check(time.Duration(minute) * time.Minute); !got.Equal(first) {
			t.Errorf("written after %d minutes", minute)
		}
	}
	if got := check(time.Hour); got.Equal(first) {
		t.Error("not refreshed after an hour")
	}
}

func TestTheStatusTellsWhetherTheOwnerHasAPolicy(t *testing.T) {
	for said, want := range map[wire.Policy]v1alpha1.MachinePolicy{
		wire.PolicyNone: "None", wire.PolicyAdvisory: "Advisory", wire.PolicyEnforced: "Enforced", "": "", "something else": "",
	} {
		dt, facts := aTarget(), able()
		facts.Policy = said
		describe(seen(dt, &result{At: noon, Probe: session.Probe{Facts: facts}}))
		if got := dt.Status.Tentacle.Policy; got != want {
			t.Errorf("%q is shown as %q, want %q", said, got, want)
		}
	}
}

func TestAHealthScriptThatThePolicyForbidsIsSaidToBe(t *testing.T) {
	dt := aTarget()
	describe(seen(dt, &result{At: noon, Probe: session.Probe{Facts: able()},
		Health: &session.StepResult{Reason: v1alpha1.ReasonRefusedByPolicy, Message: "rule hours: not now"}}))
	c := meta.FindStatusCondition(dt.Status.Conditions, v1alpha1.ConditionHealthCheckPassed)
	if dt.Status.Health != v1alpha1.HealthUnhealthy || c == nil || c.Reason != "RefusedByPolicy" || !strings.Contains(c.Message, "rule hours") {
		t.Errorf("%s, %+v", dt.Status.Health, c)
	}
}

// The head of the audit log changes with every check. It must not make the operator write every machine's status
// at every check, and must be written when something else is, and once in a while.
func TestAnEverChangingAuditHeadCostsNoWrite(t *testing.T) {
	mine := certificate(t)
	dt := aTarget()
	check := func(after time.Duration, count int, more ...string) string {
		head := fmt.Sprintf("mantle.audit=%d:%064d", count, count)
		found := &result{At: noon.Add(after), Probe: session.Probe{Certificate: mine, Facts: able(), Capabilities: append(append([]string{"IScriptServiceV2"}, more...), head)}}
		before := dt.Status.DeepCopy()
		describe(seen(dt, found))
		wrote := "nothing"
		if diff := cmp.Diff(before, &dt.Status); diff != "" {
			wrote = strings.TrimPrefix(dt.Status.Tentacle.Capabilities[len(dt.Status.Tentacle.Capabilities)-1], "mantle.audit=")
			wrote, _, _ = strings.Cut(wrote, ":")
		}
		return wrote
	}
	for _, step := range []struct {
		after time.Duration
		count int
		more  []string
		want  string
	}{
		{0, 1, nil, "1"},
		{time.Minute, 7, nil, "nothing"},
		{20 * time.Minute, 8, nil, "nothing"},
		{21 * time.Minute, 9, []string{"mantle.policy=enforced"}, "9"},
		{22 * time.Minute, 10, []string{"mantle.policy=enforced"}, "nothing"},
		{3 * time.Hour, 11, []string{"mantle.policy=enforced"}, "11"},
	} {
		if got := check(step.after, step.count, step.more...); got != step.want {
			t.Errorf("after %s, of head %d: wrote %s, want %s", step.after, step.count, got, step.want)
		}
	}
}
