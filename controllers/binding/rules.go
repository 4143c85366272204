package binding

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/wish"
)

// A rule fills in the decision and says true where it has the last word. They are asked in the order of decide.
type rule func(facts, survey, *decision) bool

func (f facts) releaseNotReady() decision {
	name := f.Release.Name
	for _, c := range f.Release.Status.Conditions {
		if c.Type == v1alpha1.ConditionStalled && c.Status == "True" {
			return decision{State: stateStalled, Reason: v1alpha1.ReasonReleaseNotReady, Message: "Release " + name + ": " + c.Message}
		}
	}
	return decision{State: stateProgressing, Reason: v1alpha1.ReasonReleaseNotReady, Message: "Release " + name + " is not ready yet"}
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
	return d.is(stateStalled, v1alpha1.ReasonNoTargets,
		"no DeploymentTarget of environment %s is left in by spec.targets and addressed by a step; add one, or set settings.noTargets of the project to Succeed", f.Binding.Spec.Environment)
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
	if run.Annotations[v1alpha1.AnnotationWish] != d.Wish {
		return d.is(stateProgressing, v1alpha1.ReasonRunning, "run %s of release %s is being superseded (%s)", run.Name, run.Spec.Release, progress)
	}
	if f.Binding.Spec.Suspend && run.Status.StartTime == nil {
		return d.is(stateWaiting, v1alpha1.ReasonSuspended, "run %s would deploy release %s, but spec.suspend is true", run.Name, run.Spec.Release)
	}
	return d.is(stateProgressing, v1alpha1.ReasonRunning, "run %s deploys release %s (%s)", run.Name, run.Spec.Release, progress)
}

// recording waits until the targets show what the newest run did to them; comparing earlier would deploy again.
func recording(f facts, _ survey, d *decision) bool {
	newest := f.Chain.Newest()
	if newest == nil {
		return false
	}
	for i := range f.Desired {
		t := &f.Desired[i]
		if !f.Begun[t.UID] || t.Spec.Cordoned {
			continue
		}
		if !wish.Shows(t, newest, f.Chain) {
			return d.is(stateProgressing, v1alpha1.ReasonRecording, "run %s has ended; target %s does not show its result yet", newest.Name, t.Name)
		}
	}
	return false
}

// held keeps a binding after a run that did not end well, until the wish or the retry token changes.
func held(f facts, s survey, d *decision) bool {
	newest := f.Chain.Newest()
	if newest == nil || newest.Annotations[v1alpha1.AnnotationWish] != d.Wish || newest.Annotations[v1alpha1.AnnotationHandledRetry] != f.retry() {
		return false
	}
	const remedy = "name another release, or ask for one more try with the annotation " + v1alpha1.AnnotationRetry
	switch newest.Status.Phase {
	case v1alpha1.RunCancelled:
		return d.is(stateHeld, v1alpha1.ReasonRunCancelled, "run %s was cancelled; %s", newest.Name, remedy)
	case v1alpha1.RunAbandoned:
		return d.is(stateHeld, v1alpha1.ReasonRunAbandoned, "run %s was abandoned: look at the machines that it names; then %s", newest.Name, remedy)
	case v1alpha1.RunFailed:
		reason := v1alpha1.ReasonRunFailed
		if newest.Spec.Purpose == v1alpha1.PurposeConvergence {
			if newest.Status.StartTime != nil || len(s.outdated) == 0 {
				return false
			}
			reason = v1alpha1.ReasonTargetsFailed // it chose no targets: none can be left out, and the next would fail alike
		}
		return d.is(stateHeld, reason, "run %s failed: %s; %s", newest.Name, readyMessage(newest), remedy)
	default:
		return false
	}
}

func readyMessage(run *v1alpha1.DeploymentRun) string {
	for _, c := range run.Status.Conditions {
		if c.Type == v1alpha1.ConditionReady && c.Message != "" {
			return strings.TrimSuffix(c.Message, ".")
		}
	}
	return "see its status.failures"
}

// unread waits for the first look at a machine and for its journal: what it already has is not deployed again.
func unread(_ facts, s survey, d *decision) bool {
	if len(s.unread) > 0 {
		return d.is(stateProgressing, v1alpha1.ReasonJournalUnread, "the journal of %s is being read", names(s.unread))
	}
	if len(s.unknown) > 0 {
		return d.is(stateProgressing, v1alpha1.ReasonNoTargetReachable, "the health of %s is not known yet", names(s.unknown))
	}
	return false
}

// missing makes a run for the targets that do not have the wished release.
func missing(f facts, s survey, d *decision) bool {
	if len(s.outdated) == 0 {
		return false
	}
	if f.Binding.Spec.Suspend {
		return d.is(stateWaiting, v1alpha1.ReasonSuspended, "%s would be deployed to, but spec.suspend is true", names(s.outdated))
	}
	if pause := f.pause(s.outdated); pause > 0 {
		d.Again = pause
		return d.is(stateProgressing, v1alpha1.ReasonNoTargetReachable, "%s came back; a run for it begins shortly", names(s.outdated))
	}
	since, newest := f.Chain.Since(d.Wish), f.Chain.Newest()
	d.Make = &newRun{Purpose: v1alpha1.PurposeRollout, Retry: f.retry(), Sequence: 1}
	var newestUID types.UID
	if newest != nil {
		newestUID, d.Make.Sequence = newest.UID, wish.Sequence(newest)+1
	}
	d.Make.Reason = "release " + string(f.Binding.Spec.Release) + " is wished"
	if since.Succeeded() {
		d.Make.Purpose = v1alpha1.PurposeConvergence
		d.Make.Reason = "targets joined, came back or were rebuilt: " + names(s.outdated)
	}
	d.Make.Name = wish.RunName(f.Binding, d.Wish, f.retry(), newestUID)
	d.CurrentRun = d.Make.Name
	return d.is(stateProgressing, v1alpha1.ReasonRunning, "run %s deploys release %s to %s", d.Make.Name, f.Binding.Spec.Release, names(s.outdated))
}

// pause is how long targets that the newest run left out, as they were away, wait for the next one.
func (f facts) pause(outdated []*v1alpha1.DeploymentTarget) time.Duration {
	newest := f.Chain.Newest()
	if newest == nil || newest.Status.FinishTime == nil {
		return 0
	}
	for _, t := range outdated {
		if !f.Skipped[t.UID] {
			return 0
		}
	}
	return skippedPause - f.Now.Sub(newest.Status.FinishTime.Time)
}

// settled says how a binding without anything left to do stands.
func settled(_ facts, s survey, d *decision) bool {
	switch {
	case len(s.leftOut) > 0:
		return d.is(stateHeld, v1alpha1.ReasonTargetsFailed,
			"%s failed to converge and is left out; change the release, or ask for one more try with the annotation %s", names(s.leftOut), v1alpha1.AnnotationRetry)
	case len(s.reachable) == 0:
		return d.is(stateProgressing, v1alpha1.ReasonNoTargetReachable, "none of %d targets can be reached", s.counts.Desired)
	case s.counts.Unavailable > 0:
		return d.is(stateUpToDate, v1alpha1.ReasonUpToDate, "%d of %d targets have the release; %d cannot be reached and converge later",
			s.counts.UpToDate, s.counts.Desired, s.counts.Unavailable)
	default:
		return d.is(stateUpToDate, v1alpha1.ReasonUpToDate, "%d of %d targets have the release", s.counts.UpToDate, s.counts.Desired)
	}
}

// names lists a few targets for people.
func names(targets []*v1alpha1.DeploymentTarget) string {
	list := make([]string, len(targets))
	for i, t := range targets {
		list[i] = t.Name
	}
	return few(list)
}

// few names are told, and how many more there are.
func few(list []string) string {
	const most = 5
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return strings.Join(list[:most], ", ") + fmt.Sprintf(" and %d more", len(list)-most)
}
