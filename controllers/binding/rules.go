package binding

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
	"github.com/mantledeploy/mantle/controllers/internal/text"
)

const (
	// skippedPause keeps a target that comes and goes from getting a run after the other.
	skippedPause = 10 * time.Second
	// takenPause is the time between two looks whether the name of the next run is free: nothing tells of it.
	takenPause = 30 * time.Second
)

// A rule fills in the decision and returns true where it has the last word. They are asked in the order of decide.
type rule func(facts, survey, *decision) bool

func (f facts) releaseNotReady() decision {
	d := decision{State: stateProgressing, Reason: v1alpha1.ReasonReleaseNotReady, Message: snapshot.NotReady(f.Release)}
	if meta.IsStatusConditionTrue(f.Release.Status.Conditions, v1alpha1.ConditionStalled) {
		d.State = stateStalled
	}
	return d
}

// changed tells whoever tries the release again that its process is not the project's of now; empty where it is.
func (f facts) changed() string {
	if why := snapshot.Changed(f.Release, f.Project); why != "" {
		return "; " + why
	}
	return ""
}

func (d *decision) is(s state, reason, format string, args ...any) bool {
	d.State, d.Reason, d.Message = s, reason, fmt.Sprintf(format, args...)
	return true
}

func overlaps(f facts, _ survey, d *decision) bool {
	if f.Overlapping == "" {
		return false
	}
	return d.is(stateStalled, v1alpha1.ReasonOverlaps,
		"spec.targets: the older ReleaseBinding %s deploys the same project to some of these targets; narrow one of the two, or delete one", f.Overlapping)
}

func noTargets(f facts, _ survey, d *decision) bool {
	if len(f.Desired) > 0 || f.Chain.Unfinished() != nil {
		return false
	}
	if f.Process.Settings.NoTargets == v1alpha1.NoTargetsSucceed {
		return d.is(stateUpToDate, v1alpha1.ReasonNoTargets, "no target of %s is addressed by a step; the project allows that", f.Binding.Spec.Environment)
	}
	return d.is(stateStalled, v1alpha1.ReasonNoTargets, "%s, or set settings.noTargets of the project to Succeed", f.Missed.why(f.Binding.Spec.Environment))
}

// why says why no target of the environment is desired, and what to do.
func (m missed) why(environment v1alpha1.ObjectName) string {
	switch {
	case m.Members == 0:
		return fmt.Sprintf("environment %s has no DeploymentTarget; add one", environment)
	case m.LeftIn == 0:
		return fmt.Sprintf("spec.targets leaves in none of the %d DeploymentTargets of environment %s; mend one of the two", m.Members, environment)
	default:
		return fmt.Sprintf("no step is for a DeploymentTarget of environment %s: the steps are for the roles %s, and the targets have %s; mend one of the two",
			environment, text.Few(m.Wanted), text.Few(m.There))
	}
}

func running(f facts, _ survey, d *decision) bool {
	run := f.Chain.Unfinished()
	if run == nil {
		return false
	}
	d.CurrentRun = run.Name
	progress := run.Status.Progress
	if progress == "" {
		progress = "choosing its targets"
	}
	if run.Annotations[v1alpha1.AnnotationDesiredHash] != f.hash() {
		return d.is(stateProgressing, v1alpha1.ReasonRunning, "run %s of release %s is being superseded (%s)", run.Name, run.Spec.Release, progress)
	}
	if f.Binding.Spec.Suspend && run.Status.StartTime == nil {
		return d.is(stateWaiting, v1alpha1.ReasonSuspended, "run %s would deploy release %s, but spec.suspend is true", run.Name, run.Spec.Release)
	}
	if wait := waitOf(run); wait != "" {
		return d.is(stateProgressing, v1alpha1.ReasonRunning, "run %s deploys release %s, and waits: %s", run.Name, run.Spec.Release, wait)
	}
	return d.is(stateProgressing, v1alpha1.ReasonRunning, "run %s deploys release %s (%s)", run.Name, run.Spec.Release, progress)
}

// waitOf is what a run says of itself while nothing of it goes on; empty while something does.
func waitOf(run *v1alpha1.DeploymentRun) string {
	ready := meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || run.Status.Phase != v1alpha1.RunWaiting && run.Status.Phase != v1alpha1.RunQueued {
		return ""
	}
	return ready.Message
}

// recording waits until the targets show what the newest run did to them; comparing earlier would deploy again.
func recording(f facts, _ survey, d *decision) bool {
	newest := f.Chain.Newest()
	if newest == nil {
		return false
	}
	for i := range f.Desired {
		t := &f.Desired[i]
		if !f.Expected.Has(t.UID) || t.Spec.Cordoned {
			continue
		}
		if !desired.Shows(t, newest, f.Chain) {
			return d.is(stateProgressing, v1alpha1.ReasonRecording, "run %s has ended; target %s does not show its result yet", newest.Name, t.Name)
		}
	}
	return false
}

// held keeps a binding after a run that did not end well, until the desired release or the retry token changes.
func held(f facts, s survey, d *decision) bool {
	hold := f.Record.Hold
	if hold == nil || hold.Reason == v1alpha1.ReasonTargetsFailed && len(s.outdated) == 0 {
		return false
	}
	return d.is(stateHeld, hold.Reason, "%s; name another release, or ask for one more try with the annotation %s%s", hold.Message, v1alpha1.AnnotationRetry, f.changed())
}

// unread waits for the first look at a machine and for its journal: what it already has is not deployed again.
func unread(_ facts, s survey, d *decision) bool {
	if len(s.unread) > 0 {
		return d.is(stateProgressing, v1alpha1.ReasonJournalUnread, "%s", unreadMessage(s.unread))
	}
	if len(s.unknown) > 0 {
		return d.is(stateProgressing, v1alpha1.ReasonNoTargetReachable, "the health of %s is not known yet", names(s.unknown))
	}
	return false
}

// unreadMessage says why journals are not read, in the words of the first target that has a reason.
func unreadMessage(unread []*v1alpha1.DeploymentTarget) string {
	for _, t := range unread {
		ready := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil || ready.Status != "False" || ready.Reason == v1alpha1.ReasonProgressing {
			continue
		}
		others := ""
		if len(unread) > 1 {
			others = fmt.Sprintf(" (waiting for %s)", names(unread))
		}
		return fmt.Sprintf("the journal of %s is not read: %s%s", t.Name, ready.Message, others)
	}
	return fmt.Sprintf("the journal of %s is being read", names(unread))
}

// missing makes a run for the targets that do not have the desired release.
func missing(f facts, s survey, d *decision) bool {
	if len(s.outdated) == 0 {
		return false
	}
	if f.Binding.Spec.Suspend {
		return d.is(stateWaiting, v1alpha1.ReasonSuspended, "%s would be deployed to, but spec.suspend is true", names(s.outdated))
	}
	if pause := f.pause(s.outdated); pause > 0 {
		d.Again = pause
		return d.is(stateProgressing, v1alpha1.ReasonNoTargetReachable, "run %s left out %s, which could not be deployed to at its turn; the next run begins within %s",
			f.Chain.Newest().Name, names(s.outdated), skippedPause)
	}
	next := f.next(s.outdated)
	if f.NameTaken == next.Name {
		d.Again = takenPause
		return d.is(stateStalled, v1alpha1.ReasonRunNameTaken, "the next run would be DeploymentRun %s, which is there and was not made by this binding; delete it", next.Name)
	}
	d.Make, d.CurrentRun = next, next.Name
	again, changed := "", ""
	if f.Record.Redeploy {
		again = " again"
	}
	if next.Retry != f.Binding.Status.LastHandledRetry {
		changed = f.changed()
	}
	return d.is(stateProgressing, v1alpha1.ReasonRunning, "run %s deploys release %s%s to %s%s", next.Name, f.Binding.Spec.Release, again, names(s.outdated), changed)
}

// next is the run that follows in the chain.
func (f facts) next(outdated []*v1alpha1.DeploymentTarget) *newRun {
	next := &newRun{Hash: f.hash(), Retry: f.Record.Retry, Purpose: v1alpha1.PurposeRollout, Sequence: newestNumber(f) + 1,
		Reason: "ReleaseBinding requests release " + string(f.Binding.Spec.Release)}
	switch {
	case f.Record.Redeploy:
		next.Reason = "the annotation " + v1alpha1.AnnotationRetry + " asks for release " + string(f.Binding.Spec.Release) + " to be deployed again"
	case f.Record.Deployed:
		next.Purpose = v1alpha1.PurposeConvergence
		next.Reason = "targets joined, changed, came back or were rebuilt: " + names(outdated)
	}
	next.Name = desired.RunName(f.Binding, next.Hash, next.Retry, next.Sequence)
	return next
}

// newestNumber is the number of the newest run that the binding has made, deleted ones included.
func newestNumber(f facts) int64 {
	number := desired.Stored(f.Binding.Status.Sequence)
	if newest := f.Chain.Newest(); newest != nil {
		number = max(number, desired.Sequence(newest))
	}
	return number
}

// pause is how long targets that the newest run left out, as they were away, wait for the next one.
func (f facts) pause(outdated []*v1alpha1.DeploymentTarget) time.Duration {
	newest := f.Chain.Newest()
	if newest == nil || newest.Status.FinishTime == nil {
		return 0
	}
	for _, t := range outdated {
		if !f.Passed.Has(t.UID) {
			return 0
		}
	}
	return skippedPause - f.Now.Sub(newest.Status.FinishTime.Time)
}

// settled says how a binding without anything left to do stands.
func settled(f facts, s survey, d *decision) bool {
	switch {
	case len(s.leftOut) > 0:
		return d.is(stateHeld, v1alpha1.ReasonTargetsFailed,
			"%s failed to converge and is left out; change the release, or ask for one more try with the annotation %s%s", names(s.leftOut), v1alpha1.AnnotationRetry, f.changed())
	case s.counts.Desired > 0 && s.counts.Cordoned == s.counts.Desired:
		return d.is(stateProgressing, v1alpha1.ReasonCordoned, "none of %d targets can be deployed to%s", s.counts.Desired, absentees(s.counts))
	case len(s.reachable) == 0:
		return d.is(stateProgressing, v1alpha1.ReasonNoTargetReachable, "none of %d targets can be deployed to%s", s.counts.Desired, absentees(s.counts))
	default:
		return d.is(stateUpToDate, v1alpha1.ReasonUpToDate, "%d of %d targets have the release%s", s.counts.UpToDate, s.counts.Desired, absentees(s.counts))
	}
}

// absentees tells how many targets are left out, and why.
func absentees(counts v1alpha1.BindingTargetCounts) string {
	away := ""
	if counts.Cordoned > 0 {
		away = fmt.Sprintf("; %d cordoned", counts.Cordoned)
	}
	switch {
	case counts.Unavailable == 1:
		away += "; 1 cannot be reached and converges when it comes back"
	case counts.Unavailable > 1:
		away += fmt.Sprintf("; %d cannot be reached and converge when they come back", counts.Unavailable)
	}
	return away
}

// names lists a few targets for people.
func names(targets []*v1alpha1.DeploymentTarget) string {
	list := make([]string, len(targets))
	for i, t := range targets {
		list[i] = t.Name
	}
	return text.Few(list)
}
