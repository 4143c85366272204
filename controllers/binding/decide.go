package binding

import (
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
	"github.com/mantledeploy/mantle/controllers/internal/status"
	"github.com/mantledeploy/mantle/controllers/internal/text"
)

// state is what a pass found out; one row of the table in semantics.
type state string

const (
	stateUpToDate    state = "UpToDate"    // Ready
	stateProgressing state = "Progressing" // Ready False, Reconciling
	stateHeld        state = "Held"        // Ready False, Stalled, Held
	stateWaiting     state = "Waiting"     // Ready False, Reconciling, Held: waits for a person
	stateStalled     state = "Stalled"     // Ready False, Stalled
)

// decision is what follows from the facts.
type decision struct {
	State           state
	Reason, Message string
	Counts          v1alpha1.BindingTargetCounts
	// CurrentRun goes on.
	CurrentRun string
	// Make is the run to create, or nil.
	Make *newRun
	// Again is when to look again without an event; zero means never.
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

// decide says what a binding needs now. It goes from what makes it impossible, over what is going on, to what is missing.
func decide(f facts) decision {
	if d, ok := unresolved(f); ok {
		return d
	}
	s := look(f)
	d := decision{Counts: s.counts}
	rules := []rule{overlaps, noTargets, running, recording, held, unread, missing, settled}
	for _, r := range rules {
		if r(f, s, &d) {
			if len(f.Strangers) > 0 {
				d.Message += fmt.Sprintf("; spec.targets.names: %s is no DeploymentTarget of environment %s", text.Few(f.Strangers), f.Binding.Spec.Environment)
			}
			return d
		}
	}
	return d
}

// unresolved answers while a named object is missing or not ready.
func unresolved(f facts) (decision, bool) {
	spec := f.Binding.Spec
	switch {
	case f.Release == nil:
		return f.absent(v1alpha1.ReasonReleaseNotFound, "spec.release: there is no Release "+v1alpha1.ReleaseName(spec.Project, spec.Release)+
			" in this namespace; create it, or name another version"), true
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

// survey is what a look at the desired targets found.
type survey struct {
	counts v1alpha1.BindingTargetCounts
	// outdated targets are reachable, read, and need a run, be it as the release is deployed again; unread ones have a journal to be read first; unknown
	// ones have not been looked at; leftOut ones failed to converge.
	outdated, unread, unknown, leftOut, reachable []*v1alpha1.DeploymentTarget
}

func look(f facts) survey {
	var s survey
	s.counts.Desired = int32(len(f.Desired))
	for i := range f.Desired {
		s.add(f, &f.Desired[i])
	}
	return s
}

// add sorts one target into the survey.
func (s *survey) add(f facts, t *v1alpha1.DeploymentTarget) {
	current := f.upToDate(t)
	leftOut := !current && desired.Excluded(f.Record, t, f.Binding.Spec.Project, f.Binding.Spec.Environment)
	switch {
	case current:
		s.counts.UpToDate++
	case leftOut || f.failedHere(t):
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
		s.addReachable(f, t, current, leftOut)
	}
}

func (s *survey) addReachable(f facts, t *v1alpha1.DeploymentTarget, current, leftOut bool) {
	s.reachable = append(s.reachable, t)
	if !current {
		s.counts.Outdated++
	}
	switch {
	case !desired.JournalRead(t) && !f.NeverChecked.Has(t.Name):
		s.unread = append(s.unread, t)
	case current && !f.Record.Redeploy:
	case leftOut:
		s.leftOut = append(s.leftOut, t)
	default:
		s.outdated = append(s.outdated, t)
	}
}

// failedHere tells whether the desired release failed on the target.
func (f facts) failedHere(t *v1alpha1.DeploymentTarget) bool {
	row := desired.Installed(t, f.Binding.Spec.Project, f.Binding.Spec.Environment)
	return row != nil && row.Phase == v1alpha1.InstalledFailed && row.Snapshot == f.Release.Status.Snapshot
}
