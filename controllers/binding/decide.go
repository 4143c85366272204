package binding

import (
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
	"github.com/mantledeploy/mantle/controllers/internal/status"
	"github.com/mantledeploy/mantle/controllers/internal/text"
)

// state is the state of a binding, which determines its conditions.
type state string

const (
	stateUpToDate    state = "UpToDate"    // Ready
	stateProgressing state = "Progressing" // Ready False, Reconciling
	stateHeld        state = "Held"        // Ready False, Stalled, Held
	stateWaiting     state = "Waiting"     // Ready False, Reconciling, Held: waits for a user
	stateStalled     state = "Stalled"     // Ready False, Stalled
)

// decision is the result of decide.
type decision struct {
	State           state
	Reason, Message string
	Counts          v1alpha1.BindingTargetCounts
	// CurrentRun is the name of the unfinished run, if any.
	CurrentRun string
	// Make is the run to create, or nil.
	Make *newRun
	// Again is when to reconcile again without an event; 0 means never.
	Again time.Duration
}

type newRun struct {
	Name     string
	Hash     string
	Purpose  v1alpha1.RunPurpose
	Retry    string
	Sequence int64
	Reason   string
}

// decide returns what to do for a binding. The rules are in this order: first what prevents a deployment, then what is in
// progress, and last what has to be deployed.
func decide(f facts) decision {
	if d, ok := unresolved(f); ok {
		return d
	}
	s := surveyOf(f)
	d := decision{Counts: s.counts}
	rules := []rule{overlaps, noTargets, running, recording, held, unread, missing, settled}
	for _, r := range rules {
		if r(f, s, &d) {
			if len(f.UnknownNames) > 0 {
				d.Message += fmt.Sprintf("; spec.targets.names: environment %s has no DeploymentTarget %s", f.Binding.Spec.Environment, text.Few(f.UnknownNames))
			}
			return d
		}
	}
	return d
}

// unresolved returns the decision if an object that the binding names is missing or not ready.
func unresolved(f facts) (decision, bool) {
	spec := f.Binding.Spec
	switch {
	case f.Release == nil:
		return f.absent(v1alpha1.ReasonReleaseNotFound, "spec.release: there is no Release "+v1alpha1.ReleaseName(spec.Project, spec.Release)+
			" in this namespace; create it, or change the version"), true
	case f.Environment == nil:
		return f.absent(v1alpha1.ReasonEnvironmentNotFound, "spec.environment: there is no Environment "+string(spec.Environment)+
			" in this namespace; create it"), true
	case f.Process == nil:
		return f.releaseNotReady(), true
	}
	return decision{}, false
}

func (f facts) absent(reason, message string) decision {
	d := decision{State: stateProgressing, Reason: reason, Message: message}
	var stalled bool
	if stalled, d.Again = status.Absence(f.Binding.Status.Conditions, reason, f.Binding.Generation, f.Now); stalled {
		d.State = stateStalled
	}
	return d
}

// survey sorts the desired targets by what they need.
type survey struct {
	counts v1alpha1.BindingTargetCounts
	// outdated targets are reachable and need a run; the journal of unread targets has to be read first; unknown targets were
	// not checked yet; to excluded targets the deployment failed, and it is not repeated.
	outdated, unread, unknown, excluded, reachable []*v1alpha1.DeploymentTarget
}

func surveyOf(f facts) survey {
	var s survey
	s.counts.Desired = int32(len(f.Desired))
	for i := range f.Desired {
		s.add(f, &f.Desired[i])
	}
	return s
}

// add adds one target to the survey.
func (s *survey) add(f facts, t *v1alpha1.DeploymentTarget) {
	current := f.upToDate(t)
	excluded := !current && desired.Excluded(f.Record, t, f.Binding.Spec.Project, f.Binding.Spec.Environment)
	switch {
	case current:
		s.counts.UpToDate++
	case excluded || f.failedHere(t):
		s.counts.Failed++
	}
	switch desired.ReachOf(t, f.NeverChecked.Has(t.Name)) {
	case desired.Cordoned:
		s.counts.Cordoned++
	case desired.Away:
		s.counts.Unavailable++
	case desired.Unknown:
		s.unknown = append(s.unknown, t)
	case desired.Reachable:
		s.addReachable(f, t, current, excluded)
	}
}

func (s *survey) addReachable(f facts, t *v1alpha1.DeploymentTarget, current, excluded bool) {
	s.reachable = append(s.reachable, t)
	if !current {
		s.counts.Outdated++
	}
	switch {
	case !desired.JournalRead(t) && !f.NeverChecked.Has(t.Name):
		s.unread = append(s.unread, t)
	case current && !f.Record.Redeploy:
	case excluded:
		s.excluded = append(s.excluded, t)
	default:
		s.outdated = append(s.outdated, t)
	}
}

// failedHere reports whether the desired release failed on the target.
func (f facts) failedHere(t *v1alpha1.DeploymentTarget) bool {
	row := desired.Installed(t, f.Binding.Spec.Project, f.Binding.Spec.Environment)
	return row != nil && row.Phase == v1alpha1.InstalledFailed && row.Snapshot == f.Release.Status.Snapshot
}
