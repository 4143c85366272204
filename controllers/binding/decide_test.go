package binding

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

const snap = "shop-1.0.0-abc"

func web(name string, change ...func(*v1alpha1.DeploymentTarget)) v1alpha1.DeploymentTarget {
	t := v1alpha1.DeploymentTarget{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name)},
		Spec:       v1alpha1.DeploymentTargetSpec{Environments: []v1alpha1.ObjectName{"production"}, Roles: []v1alpha1.Role{"web"}},
		Status: v1alpha1.DeploymentTargetStatus{Health: v1alpha1.HealthHealthy,
			JournalRead: &v1alpha1.JournalRead{Certificate: "c"}, Certificate: &v1alpha1.TargetCertificate{SHA256: "c"}},
	}
	for _, f := range change {
		f(&t)
	}
	return t
}

func has(snapshot string, phase v1alpha1.InstalledPhase, run string) func(*v1alpha1.DeploymentTarget) {
	return func(t *v1alpha1.DeploymentTarget) {
		t.Status.Installed = []v1alpha1.InstalledRelease{{Project: "shop", Environment: "production", Snapshot: snapshot,
			Phase: phase, RunUID: types.UID(run), Time: &metav1.Time{Time: now}}}
	}
}

func health(h v1alpha1.TargetHealth) func(*v1alpha1.DeploymentTarget) {
	return func(t *v1alpha1.DeploymentTarget) { t.Status.Health = h }
}

func world(change ...func(*facts)) facts {
	f := facts{
		Now: now,
		Binding: &v1alpha1.ReleaseBinding{ObjectMeta: metav1.ObjectMeta{Name: "b", UID: "b"},
			Spec: v1alpha1.ReleaseBindingSpec{Project: "shop", Environment: "production", Release: "1.0.0"}},
		Release:     &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: "shop-1.0.0"}, Status: v1alpha1.ReleaseStatus{Snapshot: snap}},
		Environment: &v1alpha1.Environment{},
		Process:     &v1alpha1.ProjectSpec{Steps: []v1alpha1.Step{{Name: "install"}}},
		Desired:     []v1alpha1.DeploymentTarget{web("web-1"), web("web-2")},
	}
	for _, c := range change {
		c(&f)
	}
	if f.Release != nil && f.Process != nil {
		f.record()
	}
	return f
}

// record takes the runs of the chain into the record, as gathering them does.
func (f *facts) record() {
	refused := f.Record
	f.resume()
	for _, run := range desired.Unrecorded(f.Record, f.Chain) {
		desired.Add(f.Record, &run, nil)
	}
	if refused != nil {
		f.Record.Refused = refused.Refused
	}
}

func targets(list ...v1alpha1.DeploymentTarget) func(*facts) {
	return func(f *facts) { f.Desired = list }
}

func ran(name, hash string, phase v1alpha1.RunPhase, purpose v1alpha1.RunPurpose) func(*facts) {
	return func(f *facts) {
		if hash == "" {
			hash = desired.Hash(snap, nil)
		}
		f.Chain = append(f.Chain, v1alpha1.DeploymentRun{
			ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Annotations: map[string]string{v1alpha1.AnnotationDesiredHash: hash,
				v1alpha1.AnnotationSequence: strconv.Itoa(len(f.Chain) + 1)}},
			Spec:   v1alpha1.DeploymentRunSpec{Project: "shop", Environment: "production", Release: "1.0.0", Purpose: purpose},
			Status: v1alpha1.DeploymentRunStatus{Phase: phase, Targets: v1alpha1.RunTargetCounts{Succeeded: 1}, StartTime: &metav1.Time{Time: now}, FinishTime: &metav1.Time{Time: now}},
		})
	}
}

func begun(names ...string) func(*facts) {
	return func(f *facts) {
		f.Expected = sets.New[types.UID]()
		for _, n := range names {
			f.Expected.Insert(types.UID("uid-" + n))
		}
	}
}

func skipped(name string) func(*facts) {
	return func(f *facts) { f.Skipped = sets.New(types.UID("uid-" + name)) }
}

// full is a target of as many other projects as one may have.
func full(t *v1alpha1.DeploymentTarget) {
	for i := range desired.MaxInstalled {
		t.Status.Installed = append(t.Status.Installed, v1alpha1.InstalledRelease{Project: fmt.Sprintf("other-%d", i), Environment: "production"})
	}
}

// notBegun has the newest run end before it chose its targets.
func notBegun(f *facts) { f.Chain.Newest().Status.StartTime = nil }

func refused(name string) func(*facts) {
	return func(f *facts) {
		f.Record = &v1alpha1.BindingRecord{Refused: []v1alpha1.RefusedTarget{{Name: name, UID: types.UID("uid-" + name)}}}
	}
}

func TestDecide(t *testing.T) {
	const rollout, convergence = v1alpha1.PurposeRollout, v1alpha1.PurposeConvergence
	ok, bad := v1alpha1.InstalledSucceeded, v1alpha1.InstalledFailed
	tests := map[string]struct {
		facts  facts
		state  state
		reason string
		make   v1alpha1.RunPurpose
	}{
		"a new wish is rolled out": {world(), stateProgressing, v1alpha1.ReasonRunning, rollout},
		"all up to date is ready":  {world(targets(web("a", has(snap, ok, "r")))), stateUpToDate, v1alpha1.ReasonUpToDate, ""},
		"an empty cluster after a restore makes no run where the machines have it": {
			world(targets(web("a", has(snap, ok, "before")), web("b", has(snap, ok, "before")))), stateUpToDate, v1alpha1.ReasonUpToDate, ""},
		"a run that goes on is adopted": {world(ran("r", "", v1alpha1.RunRunning, rollout)), stateProgressing, v1alpha1.ReasonRunning, ""},
		"a failed rollout holds": {world(ran("r", "", v1alpha1.RunFailed, rollout), begun("web-1"),
			targets(web("web-1", has(snap, bad, "r")), web("web-2"))), stateHeld, v1alpha1.ReasonRunFailed, ""},
		"a failed rollout of another wish does not hold": {world(ran("r", "other", v1alpha1.RunFailed, rollout),
			targets(web("web-1", has("x", bad, "r")))), stateProgressing, v1alpha1.ReasonRunning, rollout},
		"a retry token ends the hold": {world(ran("r", "", v1alpha1.RunFailed, rollout), func(f *facts) {
			f.Binding.Annotations = map[string]string{v1alpha1.AnnotationRetry: "again"}
		}), stateProgressing, v1alpha1.ReasonRunning, rollout},
		"a retry token that is taken away asks for nothing": {world(ran("r", "", v1alpha1.RunFailed, rollout), func(f *facts) {
			f.Chain[0].Annotations[v1alpha1.AnnotationHandledRetry] = "again"
		}, begun("web-1"), targets(web("web-1", has(snap, bad, "r")), web("web-2"))), stateHeld, v1alpha1.ReasonRunFailed, ""},
		"a cancelled run holds":                       {world(ran("r", "", v1alpha1.RunCancelled, convergence)), stateHeld, v1alpha1.ReasonRunCancelled, ""},
		"after a superseded run the wish is compared": {world(ran("r", "", v1alpha1.RunSuperseded, rollout)), stateProgressing, v1alpha1.ReasonRunning, rollout},
		"a target that joins converges": {world(ran("r", "", v1alpha1.RunSucceeded, rollout),
			targets(web("a", has(snap, ok, "r")), web("b"))), stateProgressing, v1alpha1.ReasonRunning, convergence},
		"a target that failed to converge is left out, others go on": {world(ran("r", "", v1alpha1.RunSucceeded, rollout), ran("c", "", v1alpha1.RunFailed, convergence),
			targets(web("a", has(snap, bad, "c")), web("b"))), stateProgressing, v1alpha1.ReasonRunning, convergence},
		"only the left-out one is missing": {world(ran("r", "", v1alpha1.RunSucceeded, rollout), ran("c", "", v1alpha1.RunFailed, convergence),
			targets(web("a", has(snap, bad, "c")), web("b", has(snap, ok, "r")))), stateHeld, v1alpha1.ReasonTargetsFailed, ""},
		"a full target never shows it, and is tried once more": {world(ran("r", "", v1alpha1.RunSucceeded, rollout), begun("web-1"), targets(web("web-1", full))),
			stateProgressing, v1alpha1.ReasonRunning, convergence},
		"a convergence that failed before it chose targets is not made again": {world(ran("r", "", v1alpha1.RunSucceeded, rollout), ran("c", "", v1alpha1.RunFailed, convergence), notBegun,
			targets(web("a", has(snap, ok, "r")), web("b"))), stateHeld, v1alpha1.ReasonTargetsFailed, ""},
		"a retry token makes it again": {world(ran("r", "", v1alpha1.RunSucceeded, rollout), ran("c", "", v1alpha1.RunFailed, convergence), notBegun,
			targets(web("a", has(snap, ok, "r")), web("b")), func(f *facts) {
				f.Binding.Annotations = map[string]string{v1alpha1.AnnotationRetry: "again"}
			}), stateProgressing, v1alpha1.ReasonRunning, convergence},
		"it holds nothing once nothing is missing": {world(ran("r", "", v1alpha1.RunSucceeded, rollout), ran("c", "", v1alpha1.RunFailed, convergence), notBegun,
			targets(web("a", has(snap, ok, "r")))), stateUpToDate, v1alpha1.ReasonUpToDate, ""},
		"a target on which nothing could begin is left out": {world(ran("r", "", v1alpha1.RunSucceeded, rollout), ran("c", "", v1alpha1.RunFailed, convergence), refused("b"),
			targets(web("a", has(snap, ok, "r")), web("b"))), stateHeld, v1alpha1.ReasonTargetsFailed, ""},
		"and others go on": {world(ran("r", "", v1alpha1.RunSucceeded, rollout), ran("c", "", v1alpha1.RunFailed, convergence), refused("b"),
			targets(web("b"), web("c"))), stateProgressing, v1alpha1.ReasonRunning, convergence},
		"a target that has the release by now is not left out": {world(ran("r", "", v1alpha1.RunSucceeded, rollout), ran("c", "", v1alpha1.RunFailed, convergence), refused("b"),
			targets(web("b", has(snap, ok, "person")))), stateUpToDate, v1alpha1.ReasonUpToDate, ""},
		"nothing is compared before the targets show the newest run": {world(ran("r", "", v1alpha1.RunSucceeded, rollout), begun("web-1")),
			stateProgressing, v1alpha1.ReasonRecording, ""},
		"an unavailable target does not keep it from being ready": {world(targets(web("a", has(snap, ok, "r")), web("b", health(v1alpha1.HealthUnavailable)))),
			stateUpToDate, v1alpha1.ReasonUpToDate, ""},
		"a cordoned target gets no run": {world(targets(web("a", has(snap, ok, "r")), web("b", func(t *v1alpha1.DeploymentTarget) { t.Spec.Cordoned = true }))),
			stateUpToDate, v1alpha1.ReasonUpToDate, ""},
		"a target that was just skipped waits a little": {world(ran("r", "", v1alpha1.RunSucceeded, rollout), skipped("b"),
			targets(web("a", has(snap, ok, "r")), web("b"))), stateProgressing, v1alpha1.ReasonNoTargetReachable, ""},
		"nobody reachable":  {world(targets(web("a", health(v1alpha1.HealthUnavailable)))), stateProgressing, v1alpha1.ReasonNoTargetReachable, ""},
		"health not known":  {world(targets(web("a", health("")))), stateProgressing, v1alpha1.ReasonNoTargetReachable, ""},
		"journal not read":  {world(targets(web("a", func(t *v1alpha1.DeploymentTarget) { t.Status.JournalRead = nil }))), stateProgressing, v1alpha1.ReasonJournalUnread, ""},
		"another machine":   {world(targets(web("a", func(t *v1alpha1.DeploymentTarget) { t.Status.Certificate.SHA256 = "d" }))), stateProgressing, v1alpha1.ReasonJournalUnread, ""},
		"no targets":        {world(targets()), stateStalled, v1alpha1.ReasonNoTargets, ""},
		"suspended":         {world(func(f *facts) { f.Binding.Spec.Suspend = true }), stateWaiting, v1alpha1.ReasonSuspended, ""},
		"overlapping":       {world(func(f *facts) { f.Overlapping = "older" }), stateStalled, v1alpha1.ReasonOverlaps, ""},
		"release not there": {world(func(f *facts) { f.Release = nil }), stateProgressing, v1alpha1.ReasonReleaseNotFound, ""},
		"release not there for a minute": {world(func(f *facts) {
			f.Release = nil
			f.Binding.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReconciling, Reason: v1alpha1.ReasonReleaseNotFound, LastTransitionTime: metav1.NewTime(now.Add(-time.Minute))}}
		}),
			stateStalled, v1alpha1.ReasonReleaseNotFound, ""},
		"a wish that does not resolve supersedes nothing": {world(ran("r", "x", v1alpha1.RunRunning, rollout), func(f *facts) { f.Process = nil }),
			stateProgressing, v1alpha1.ReasonReleaseNotReady, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := decide(tt.facts)
			if d.State != tt.state || d.Reason != tt.reason {
				t.Errorf("got %s %s (%s), want %s %s", d.State, d.Reason, d.Message, tt.state, tt.reason)
			}
			var purpose v1alpha1.RunPurpose
			if d.Make != nil {
				purpose = d.Make.Purpose
			}
			if purpose != tt.make {
				t.Errorf("made a run for %q, want %q", purpose, tt.make)
			}
		})
	}
}

// Who looks at the binding first sees for what its run waits, in the run's own words.
func TestABindingSaysForWhatItsRunWaits(t *testing.T) {
	says := func(phase v1alpha1.RunPhase) string {
		return decide(world(ran("r", "", phase, v1alpha1.PurposeRollout), func(f *facts) {
			s := &f.Chain[0].Status
			s.Progress, s.FinishTime = "0/1", nil
			s.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Reason: v1alpha1.ReasonMachineBusy, Message: "0/1 targets, step s; s waits on web-1"}}
		})).Message
	}
	const waits = "run r deploys release 1.0.0 and is waiting: 0/1 targets, step s; s waits on web-1"
	for phase, want := range map[v1alpha1.RunPhase]string{v1alpha1.RunWaiting: waits, v1alpha1.RunQueued: waits, v1alpha1.RunRunning: "run r deploys release 1.0.0 (0/1)"} {
		if got := says(phase); got != want {
			t.Errorf("%s: %s", phase, got)
		}
	}
}

// Whoever may write a binding's status may write any number there; the next run needs one that can be followed by another.
func TestANumberInTheStatusIsNotAFact(t *testing.T) {
	for number, want := range map[int64]int64{5: 5, -3: 0, 1 << 40: 0, 1<<63 - 1: 0} {
		b := &v1alpha1.ReleaseBinding{}
		b.Status.Sequence = number
		if got := newestNumber(facts{Binding: b}); got != want {
			t.Errorf("%d is taken for %d", number, got)
		}
	}
}
