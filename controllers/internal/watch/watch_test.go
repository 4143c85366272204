package watch

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// 5,000 targets are looked at all day; what a look finds as it was wakes nobody.
func TestALookThatFindsNothingNewWakesNobody(t *testing.T) {
	now := metav1.Now()
	for name, tt := range map[string]struct {
		change func(*v1alpha1.DeploymentTarget)
		wakes  bool
	}{
		"looked at again":     {func(t *v1alpha1.DeploymentTarget) { t.Status.LastHealthCheck = &now }, false},
		"other capabilities":  {func(t *v1alpha1.DeploymentTarget) { t.Status.Tentacle = &v1alpha1.TentacleInfo{Version: "2"} }, false},
		"another spec":        {func(t *v1alpha1.DeploymentTarget) { t.Generation++ }, true},
		"another health":      {func(t *v1alpha1.DeploymentTarget) { t.Status.Health = v1alpha1.HealthUnavailable }, true},
		"another certificate": {func(t *v1alpha1.DeploymentTarget) { t.Status.Certificate = &v1alpha1.TargetCertificate{SHA256: "a"} }, true},
		"a journal":           {func(t *v1alpha1.DeploymentTarget) { t.Status.JournalRead = &v1alpha1.JournalRead{Time: now} }, true},
		"a deployment": {func(t *v1alpha1.DeploymentTarget) {
			t.Status.Installed = []v1alpha1.InstalledRelease{{Project: "shop"}}
		}, true},
		"another reason": {func(t *v1alpha1.DeploymentTarget) {
			t.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Reason: v1alpha1.ReasonNoRoute}}
		}, true},
	} {
		before := &v1alpha1.DeploymentTarget{Status: v1alpha1.DeploymentTargetStatus{Health: v1alpha1.HealthHealthy}}
		after := before.DeepCopy()
		tt.change(after)
		if got := Targets().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != tt.wakes {
			t.Errorf("%s: wakes %t", name, got)
		}
	}
}

// What is installed concerns the bindings of its project only, so the two kinds of change are told apart, and none is lost.
func TestWhatIsInstalledIsToldApart(t *testing.T) {
	healthy := &v1alpha1.DeploymentTarget{Status: v1alpha1.DeploymentTargetStatus{Health: v1alpha1.HealthHealthy}}
	deployed := healthy.DeepCopy()
	deployed.Status.Installed = []v1alpha1.InstalledRelease{{Project: "shop"}}
	away := deployed.DeepCopy()
	away.Status.Health = v1alpha1.HealthUnavailable
	for _, tt := range []struct {
		after               *v1alpha1.DeploymentTarget
		machines, installed bool
	}{{healthy, false, false}, {deployed, false, true}, {away, true, false}} {
		e := event.UpdateEvent{ObjectOld: healthy, ObjectNew: tt.after}
		if machines, installed := Machines().Update(e), Installed().Update(e); machines != tt.machines || installed != tt.installed {
			t.Errorf("%v: machines %t, installed %t", tt.after.Status, machines, installed)
		}
	}
	if !Machines().Create(event.CreateEvent{Object: healthy}) || Installed().Create(event.CreateEvent{Object: healthy}) {
		t.Error("a new target is not selected exactly once")
	}
	if !Machines().Delete(event.DeleteEvent{Object: healthy}) || Installed().Delete(event.DeleteEvent{Object: healthy}) {
		t.Error("a deleted target is not selected exactly once")
	}
}

func TestARunEndsOnce(t *testing.T) {
	run := func(phase v1alpha1.RunPhase) *v1alpha1.DeploymentRun {
		return &v1alpha1.DeploymentRun{Status: v1alpha1.DeploymentRunStatus{Phase: phase}}
	}
	for _, tt := range []struct {
		before, after v1alpha1.RunPhase
		ends          bool
	}{
		{v1alpha1.RunRunning, v1alpha1.RunSucceeded, true}, {v1alpha1.RunRunning, v1alpha1.RunRunning, false}, {v1alpha1.RunSucceeded, v1alpha1.RunSucceeded, false},
	} {
		if got := RunEnds().Update(event.UpdateEvent{ObjectOld: run(tt.before), ObjectNew: run(tt.after)}); got != tt.ends {
			t.Errorf("from %s to %s: %t", tt.before, tt.after, got)
		}
	}
}

func TestASliceTellsOnlyWhatHasEndedNow(t *testing.T) {
	before := &v1alpha1.DeploymentRunSlice{Status: v1alpha1.DeploymentRunSliceStatus{Results: []v1alpha1.TargetResult{
		{Target: "web-1", Phase: v1alpha1.StepSucceeded}, {Target: "web-2", Phase: v1alpha1.StepRunning}}}}
	after := before.DeepCopy()
	after.Status.Results[1].Phase = v1alpha1.StepFailed
	after.Status.Results = append(after.Status.Results, v1alpha1.TargetResult{Target: "web-3", Phase: v1alpha1.StepRunning})
	if got := Ended(before, after); !slices.Equal(got, []string{"web-2"}) {
		t.Errorf("ended are %v", got)
	}
	if got := Ended(nil, after); !slices.Equal(got, []string{"web-1", "web-2"}) {
		t.Errorf("ended in a slice that was not known are %v", got)
	}
}

// What controllers go by stays; the rest may be 130 KB for each slice.
func TestTheCacheKeepsWhatDecisionsGoBy(t *testing.T) {
	code := int32(1)
	slice := &v1alpha1.DeploymentRunSlice{Status: v1alpha1.DeploymentRunSliceStatus{Results: []v1alpha1.TargetResult{{Target: "web-1", Phase: v1alpha1.StepFailed,
		Outputs: map[string]string{"a": "b"}, Steps: []v1alpha1.ActionStatus{{Name: "install", Phase: v1alpha1.StepFailed, Attempt: 1, Sent: true, Reason: "ExitCode",
			Message: "long", ExitCode: &code, Seconds: "1.0", Log: &v1alpha1.ActionLog{Size: 1}}}}}}}
	kept, err := Slim(slice)
	if err != nil {
		t.Fatal(err)
	}
	result := kept.(*v1alpha1.DeploymentRunSlice).Status.Results[0]
	step := result.Steps[0]
	if result.Outputs != nil || step.Message != "" || step.Log != nil || step.ExitCode != nil {
		t.Errorf("it keeps %+v", result)
	}
	if result.Phase != v1alpha1.StepFailed || step.Name != "install" || step.Phase != v1alpha1.StepFailed || !step.Sent || step.Attempt != 1 || step.Reason != "ExitCode" {
		t.Errorf("it lacks something: %+v", step)
	}
}

// People and their tools annotate objects all day.
func TestMetadataOfAReleaseWakesNobody(t *testing.T) {
	before := &v1alpha1.Release{}
	before.UID = "a"
	for name, tt := range map[string]struct {
		change func(*v1alpha1.Release)
		wakes  bool
	}{
		"annotated": {func(r *v1alpha1.Release) { r.Annotations = map[string]string{"note": "x"} }, false},
		"ready":     {func(r *v1alpha1.Release) { r.Status.Snapshot = "s" }, true},
		"its spec":  {func(r *v1alpha1.Release) { r.Generation++ }, true},
		"another":   {func(r *v1alpha1.Release) { r.UID = "b" }, true},
	} {
		after := before.DeepCopy()
		tt.change(after)
		e := event.UpdateEvent{ObjectOld: before, ObjectNew: after}
		if got := Releases().Update(e); got != tt.wakes {
			t.Errorf("%s: wakes %t", name, got)
		}
		if got := Existence().Update(e); got != (name == "another") {
			t.Errorf("%s: counts as created %t", name, got)
		}
	}
	if !Existence().Create(event.CreateEvent{Object: before}) || !Existence().Delete(event.DeleteEvent{Object: before}) {
		t.Error("its creation or deletion wakes nobody")
	}
}
