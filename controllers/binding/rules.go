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
	// skippedPause limits the runs for a target that is reachable only from time to time.
	skippedPause = 10 * time.Second
	// takenPause is the pause before the name of the next run is checked again: the controller does not watch for it.
	takenPause = 30 * time.Second
)

// A rule fills in the decision and returns true if it applies. The first rule that applies decides.
type rule func(facts, survey, *decision) bool

func (f facts) releaseNotReady() decision {
	d := decision{State: stateProgressing, Reason: v1alpha1.ReasonReleaseNotReady, Message: snapshot.NotReady(f.Release)}
	if meta.IsStatusConditionTrue(f.Release.Status.Conditions, v1alpha1.ConditionStalled) {
		d.State = stateStalled
	}
	return d
}

// changed returns the end of a message if the project has changed since the release was made, as a retry then deploys the
// earlier process; otherwise it is empty.
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
		"spec.targets: the older ReleaseBinding %s deploys the same project to some of these targets; change spec.targets of one of them, or delete one", f.Overlapping)
}

func noTargets(f facts, _ survey, d *decision) bool {
	if len(f.Desired) > 0 || f.Chain.Unfinished() != nil {
		return false
	}
	if f.Process.Settings.NoTargets == v1alpha1.NoTargetsSucceed {
		return d.is(stateUpToDate, v1alpha1.ReasonNoTargets, "no step runs on a target of environment %s, which settings.noTargets of the project allows", f.Binding.Spec.Environment)
	}
	return d.is(stateStalled, v1alpha1.ReasonNoTargets, "%s, or set settings.noTargets of the project to Succeed", f.Mismatch.why(f.Binding.Spec.Environment))
}

// why returns why no target of the environment is desired, and the remedy.
func (m mismatch) why(environment v1alpha1.ObjectName) string {
	switch {
	case m.Members == 0:
		return fmt.Sprintf("environment %s has no DeploymentTarget; add one", environment)
	case m.Selected == 0:
		return fmt.Sprintf("spec.targets selects none of the %d DeploymentTargets of environment %s; change spec.targets, or the targets", m.Members, environment)
	default:
		return fmt.Sprintf("no DeploymentTarget of environment %s has a role of a step: the steps have the roles %s, and the targets have %s; change the steps, or the targets",
			environment, text.Few(m.StepRoles), text.Few(m.TargetRoles))
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
		progress = "selecting targets"
	}
	if run.Annotations[v1alpha1.AnnotationDesiredHash] != f.hash() {
		return d.is(stateProgressing, v1alpha1.ReasonRunning, "run %s of release %s is being superseded (%s)", run.Name, run.Spec.Release, progress)
	}
	if f.Binding.Spec.Suspend && run.Status.StartTime == nil {
		return d.is(stateWaiting, v1alpha1.ReasonSuspended, "run %s would deploy release %s, but spec.suspend is true", run.Name, run.Spec.Release)
	}
	if wait := waitOf(run); wait != "" {
		return d.is(stateProgressing, v1alpha1.ReasonRunning, "run %s deploys release %s and is waiting: %s", run.Name, run.Spec.Release, wait)
	}
	return d.is(stateProgressing, v1alpha1.ReasonRunning, "run %s deploys release %s (%s)", run.Name, run.Spec.Release, progress)
}

// waitOf returns the message of a run that is waiting; empty if the run is not waiting.
func waitOf(run *v1alpha1.DeploymentRun) string {
	ready := meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || run.Status.Phase != v1alpha1.RunWaiting && run.Status.Phase != v1alpha1.RunQueued {
		return ""
	}
	return ready.Message
}

// recording waits until status.installed of the targets has the results of the newest run. Without that, targets would be
// deployed to again.
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
			return d.is(stateProgressing, v1alpha1.ReasonRecording, "run %s has ended; waiting for its result in status.installed of target %s", newest.Name, t.Name)
		}
	}
	return false
}

// held applies after a failed run, until the desired release or the retry annotation changes.
func held(f facts, s survey, d *decision) bool {
	hold := f.Record.Hold
	if hold == nil || hold.Reason == v1alpha1.ReasonTargetsFailed && len(s.outdated) == 0 {
		return false
	}
	return d.is(stateHeld, hold.Reason, "%s; change spec.release, or retry with the annotation %s%s", hold.Message, v1alpha1.AnnotationRetry, f.changed())
}

// unread waits for the first health check of a machine and for its journal, so that nothing is deployed to it that it already
// has.
func unread(_ facts, s survey, d *decision) bool {
	if len(s.unread) > 0 {
		return d.is(stateProgressing, v1alpha1.ReasonJournalUnread, "%s", unreadMessage(s.unread))
	}
	if len(s.unknown) > 0 {
		return d.is(stateProgressing, v1alpha1.ReasonNoTargetReachable, "the health of %s is not known yet", names(s.unknown))
	}
	return false
}

// unreadMessage returns why journals were not read, with the message of the first target that has a reason.
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
		return fmt.Sprintf("the journal of %s has not been read: %s%s", t.Name, ready.Message, others)
	}
	return fmt.Sprintf("the journal of %s is being read", names(unread))
}

// missing creates a run for the targets that do not have the desired release.
func missing(f facts, s survey, d *decision) bool {
	if len(s.outdated) == 0 {
		return false
	}
	if f.Binding.Spec.Suspend {
		return d.is(stateWaiting, v1alpha1.ReasonSuspended, "waiting to deploy to %s, as spec.suspend is true", names(s.outdated))
	}
	if pause := f.pause(s.outdated); pause > 0 {
		d.Again = pause
		return d.is(stateProgressing, v1alpha1.ReasonNoTargetReachable, "run %s skipped %s, which could not be deployed to at that time; the next run starts within %s",
			f.Chain.Newest().Name, names(s.outdated), skippedPause)
	}
	next := f.next(s.outdated)
	if f.NameTaken == next.Name {
		d.Again = takenPause
		return d.is(stateStalled, v1alpha1.ReasonRunNameTaken, "cannot create DeploymentRun %s, as a run of that name exists that this binding did not create; delete it", next.Name)
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

// next returns the next run of the binding.
func (f facts) next(outdated []*v1alpha1.DeploymentTarget) *newRun {
	next := &newRun{Hash: f.hash(), Retry: f.Record.Retry, Purpose: v1alpha1.PurposeRollout, Sequence: newestNumber(f) + 1,
		Reason: "ReleaseBinding requests release " + string(f.Binding.Spec.Release)}
	switch {
	case f.Record.Redeploy:
		next.Reason = "the annotation " + v1alpha1.AnnotationRetry + " requests release " + string(f.Binding.Spec.Release) + " again"
	case f.Record.Deployed:
		next.Purpose = v1alpha1.PurposeConvergence
		next.Reason = "targets were added, changed, rebuilt or became reachable again: " + names(outdated)
	}
	next.Name = desired.RunName(f.Binding, next.Hash, next.Retry, next.Sequence)
	return next
}

// newestNumber returns the sequence number of the newest run of the binding, including deleted runs.
func newestNumber(f facts) int64 {
	number := desired.Stored(f.Binding.Status.Sequence)
	if newest := f.Chain.Newest(); newest != nil {
		number = max(number, desired.Sequence(newest))
	}
	return number
}

// pause returns how long to wait for the next run if the newest run skipped all outdated targets.
func (f facts) pause(outdated []*v1alpha1.DeploymentTarget) time.Duration {
	newest := f.Chain.Newest()
	if newest == nil || newest.Status.FinishTime == nil {
		return 0
	}
	for _, t := range outdated {
		if !f.Skipped.Has(t.UID) {
			return 0
		}
	}
	return skippedPause - f.Now.Sub(newest.Status.FinishTime.Time)
}

// settled applies if there is nothing to do at present.
func settled(f facts, s survey, d *decision) bool {
	switch {
	case len(s.excluded) > 0:
		return d.is(stateHeld, v1alpha1.ReasonTargetsFailed,
			"the deployment to %s failed and is not repeated; change spec.release, or retry with the annotation %s%s", names(s.excluded), v1alpha1.AnnotationRetry, f.changed())
	case s.counts.Desired > 0 && s.counts.Cordoned == s.counts.Desired:
		return d.is(stateProgressing, v1alpha1.ReasonCordoned, "none of %d targets can be deployed to%s", s.counts.Desired, notDeployable(s.counts))
	case len(s.reachable) == 0:
		return d.is(stateProgressing, v1alpha1.ReasonNoTargetReachable, "none of %d targets can be deployed to%s", s.counts.Desired, notDeployable(s.counts))
	default:
		return d.is(stateUpToDate, v1alpha1.ReasonUpToDate, "%d of %d targets have the release%s", s.counts.UpToDate, s.counts.Desired, notDeployable(s.counts))
	}
}

// notDeployable returns the end of a message about targets that cannot be deployed to; empty if there are none.
func notDeployable(counts v1alpha1.BindingTargetCounts) string {
	message := ""
	if counts.Cordoned > 0 {
		message = fmt.Sprintf("; %d cordoned", counts.Cordoned)
	}
	if counts.Unavailable > 0 {
		message += fmt.Sprintf("; %d unreachable, deployed to when reachable again", counts.Unavailable)
	}
	return message
}

// names returns the names of the first few targets for a message.
func names(targets []*v1alpha1.DeploymentTarget) string {
	list := make([]string, len(targets))
	for i, t := range targets {
		list[i] = t.Name
	}
	return text.Few(list)
}
