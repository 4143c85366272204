package desired

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// take has a record take in all that has ended.
func take(r *v1alpha1.BindingRecord, c Chain, refused ...v1alpha1.RefusedTarget) *v1alpha1.BindingRecord {
	for _, run := range Unrecorded(r, c) {
		Add(r, &run, refused)
	}
	return r
}

func TestWhatHoldsABinding(t *testing.T) {
	const rollout, convergence = v1alpha1.PurposeRollout, v1alpha1.PurposeConvergence
	notBegun := run("r", "w1", "1", v1alpha1.RunFailed, convergence)
	notBegun.Status.StartTime = nil
	for name, tt := range map[string]struct {
		run  v1alpha1.DeploymentRun
		want string
	}{
		"a failed rollout":                        {run("r", "w1", "1", v1alpha1.RunFailed, rollout), v1alpha1.ReasonRunFailed},
		"a cancelled run":                         {run("r", "w1", "1", v1alpha1.RunCancelled, convergence), v1alpha1.ReasonRunCancelled},
		"an abandoned run":                        {run("r", "w1", "1", v1alpha1.RunAbandoned, rollout), v1alpha1.ReasonRunAbandoned},
		"a convergence that chose no targets":     {notBegun, v1alpha1.ReasonTargetsFailed},
		"not: a convergence that failed":          {run("r", "w1", "1", v1alpha1.RunFailed, convergence), ""},
		"not: one that succeeded":                 {run("r", "w1", "1", v1alpha1.RunSucceeded, rollout), ""},
		"not: one that was superseded":            {run("r", "w1", "1", v1alpha1.RunSuperseded, rollout), ""},
		"not: a failed rollout of something else": {run("r", "w0", "1", v1alpha1.RunFailed, rollout), ""},
		"not: one that goes on":                   {run("r", "w1", "1", v1alpha1.RunRunning, rollout), ""},
	} {
		r := take(&v1alpha1.BindingRecord{Hash: "w1"}, Chain{tt.run})
		got := ""
		if r.Hold != nil {
			got = r.Hold.Reason
		}
		if got != tt.want {
			t.Errorf("%s: %q, wanted %q", name, got, tt.want)
		}
		// The run is deleted: what was taken in stays, until something else is desired.
		if kept := Resume(r, nil, "w1", ""); (kept.Hold != nil) != (tt.want != "") {
			t.Errorf("%s: without its run: %+v", name, kept)
		}
		if other := Resume(r, nil, "w2", ""); other.Hold != nil || other.Deployed {
			t.Errorf("%s: another release is desired: %+v", name, other)
		}
		if again := Resume(r, nil, "w1", "again"); again.Hold != nil || again.Deployed != r.Deployed {
			t.Errorf("%s: one more try: %+v", name, again)
		}
	}
}

// Something else was desired in between, so what failed before is tried again, whether its run is there or not.
func TestGoingBackAndForthIsANewTry(t *testing.T) {
	c := Chain{run("r", "w1", "1", v1alpha1.RunFailed, v1alpha1.PurposeRollout)}
	held := take(Resume(nil, c, "w1", ""), c)
	if held.Hold == nil {
		t.Fatal("it is not held")
	}
	between := take(Resume(held, c, "w2", ""), c)
	if back := take(Resume(between, c, "w1", ""), c); back.Hold != nil {
		t.Errorf("it is held for what was desired before: %+v", back.Hold)
	}
}

func TestTheRecordIsBounded(t *testing.T) {
	long := run("r", "w1", "1", v1alpha1.RunFailed, v1alpha1.PurposeRollout)
	long.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Message: strings.Repeat("é", 5000)}}
	if r := take(&v1alpha1.BindingRecord{Hash: "w1"}, Chain{long}); len(r.Hold.Message) > maxHoldMessage || strings.ToValidUTF8(r.Hold.Message, "?") != r.Hold.Message {
		t.Errorf("the message has %d bytes", len(r.Hold.Message))
	}
	many := make([]v1alpha1.RefusedTarget, MaxExcluded+1)
	for i := range many {
		many[i] = v1alpha1.RefusedTarget{Name: fmt.Sprintf("t-%03d", i), UID: types.UID(fmt.Sprint(i))}
	}
	c := Chain{run("r", "w1", "1", v1alpha1.RunFailed, v1alpha1.PurposeConvergence)}
	if r := take(&v1alpha1.BindingRecord{Hash: "w1"}, c, many[:MaxExcluded]...); len(r.Refused) != MaxExcluded || r.Hold != nil {
		t.Errorf("as many as there is room for: %d, %+v", len(r.Refused), r.Hold)
	}
	r := take(&v1alpha1.BindingRecord{Hash: "w1"}, c, many...)
	if len(r.Refused) != MaxExcluded || r.Hold == nil || r.Hold.Reason != v1alpha1.ReasonTargetsFailed {
		t.Errorf("one more: none is deployed to, or the others are tried for ever: %d, %+v", len(r.Refused), r.Hold)
	}
	r = &v1alpha1.BindingRecord{Hash: "w1"}
	for n := range 3 * MaxExcluded { // nobody shows that he failed in them any more
		c = Chain{run(fmt.Sprint("r", n), "w1", fmt.Sprint(n+1), v1alpha1.RunFailed, v1alpha1.PurposeConvergence)}
		Forget(take(r, c), "shop", "production", nil, nil)
	}
	if len(r.FailedRuns) != 1 || r.Hold != nil {
		t.Errorf("%d runs are kept, %+v", len(r.FailedRuns), r.Hold)
	}
}

func TestWhoIsLeftOutOfTheNextRun(t *testing.T) {
	c := Chain{run("c", "w1", "1", v1alpha1.RunFailed, v1alpha1.PurposeConvergence)}
	var targets []v1alpha1.DeploymentTarget
	for _, name := range []string{"failed", "refused", "joined", "made-anew", "has-it"} {
		t := target(name, "web")
		t.UID, t.Spec.Thumbprint = types.UID(name), "pin"
		targets = append(targets, t)
	}
	targets[0].Status.Installed = []v1alpha1.InstalledRelease{{Project: "shop", Environment: "production", Snapshot: "snap", Phase: v1alpha1.InstalledFailed, RunUID: "c"}}
	targets[4].Status.Installed = []v1alpha1.InstalledRelease{{Project: "shop", Environment: "production", Snapshot: "snap", Phase: v1alpha1.InstalledSucceeded, RunUID: "a"}}
	slice := v1alpha1.DeploymentRunSlice{}
	for _, t := range targets {
		slice.Spec.Targets = append(slice.Spec.Targets, v1alpha1.SliceTarget{Name: t.Name, UID: t.UID, Thumbprint: "pin", Steps: []int32{0}})
	}
	refusal := func(name string) v1alpha1.TargetResult {
		r := row(v1alpha1.StepFailed, v1alpha1.ReasonVariableMissing, action(v1alpha1.StepFailed, v1alpha1.ReasonVariableMissing, false))
		r.Target = name
		return *r
	}
	slice.Status.Results = []v1alpha1.TargetResult{refusal("refused"), refusal("made-anew")}
	targets[3].Spec.Thumbprint = "another"
	refused := Refused(&c[0], []v1alpha1.DeploymentRunSlice{slice}, targets)
	if len(refused) != 1 || refused[0].Name != "refused" {
		t.Errorf("refused are %+v", refused)
	}
	b := &v1alpha1.ReleaseBinding{Spec: v1alpha1.ReleaseBindingSpec{Project: "shop", Environment: "production"}}
	b.Status.Record = take(&v1alpha1.BindingRecord{Hash: "w1"}, c, refused...)
	names := func(retry string) string {
		next := run("next", "w1", "2", "", v1alpha1.PurposeConvergence)
		next.Annotations[v1alpha1.AnnotationHandledRetry] = retry
		var list []string
		for _, t := range Outdated(b, &next, "snap", []v1alpha1.Step{{Name: "install"}}, targets) {
			list = append(list, t.Name)
		}
		return strings.Join(list, " ")
	}
	if got := names(""); got != "joined made-anew" {
		t.Errorf("the next run takes %s", got)
	}
	if got := names("again"); got != "failed joined made-anew refused" {
		t.Errorf("one more try takes %s", got)
	}
}

func TestATokenThatIsTakenAwayAsksForNothing(t *testing.T) {
	b := &v1alpha1.ReleaseBinding{Status: v1alpha1.ReleaseBindingStatus{Record: &v1alpha1.BindingRecord{Retry: "once"}}}
	if got := Retry(b, nil); got != "once" {
		t.Errorf("asked for is %q", got)
	}
	b.Annotations = map[string]string{v1alpha1.AnnotationRetry: strings.Repeat("long", 1000)}
	if got := Retry(b, nil); len(got) > maxToken || got != Retry(b, nil) {
		t.Errorf("a token of %d bytes", len(got))
	}
}

// A number in a status may have been written by anybody: one that cannot be is none, and the chain itself tells.
func TestANumberThatCannotBeIsNotBelieved(t *testing.T) {
	chain := Chain{run("r", "w1", "7", v1alpha1.RunSucceeded, v1alpha1.PurposeRollout)}
	for _, number := range []int64{-1, maxStored + 1, 1<<63 - 1} {
		if got := Stored(number); got != 0 {
			t.Errorf("%d is taken for %d", number, got)
		}
		r := take(Resume(&v1alpha1.BindingRecord{Hash: "w1", Sequence: number}, chain, "w1", ""), chain)
		if r.Sequence != 7 {
			t.Errorf("after %d the record is %+v", number, r)
		}
	}
	if Stored(5) != 5 || Stored(maxStored) != maxStored {
		t.Error("a number that can be is not believed")
	}
}

// A release that was deployed again is not deployed again and again, as some of its targets failed in that.
func TestAReleaseThatIsDeployedAgainIsSoOnce(t *testing.T) {
	again := run("r", "w1", "2", v1alpha1.RunSucceeded, v1alpha1.PurposeRollout)
	again.Status.StartTime, again.Status.Targets.Failed = &metav1.Time{Time: time.Now()}, 1
	if r := take(&v1alpha1.BindingRecord{Hash: "w1", Sequence: 1, Deployed: true, Redeploy: true}, Chain{again}); r.Redeploy || len(r.FailedRuns) != 1 {
		t.Errorf("after it the record is %+v", r)
	}
}
