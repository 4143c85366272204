package v1alpha1

import (
	"maps"
	"slices"
)

// Labels are the labels by which people find the runs and slices of a project, an environment and a release.
func (s DeploymentRunSpec) Labels() map[string]string {
	labels := map[string]string{LabelProject: string(s.Project), LabelEnvironment: string(s.Environment)}
	if release := s.Release.InName(); len(release) <= 63 {
		labels[LabelRelease] = release
	}
	return labels
}

// SetSpecLabels gives the run the labels of its spec. Its other labels stay.
func (r *DeploymentRun) SetSpecLabels() {
	if r.Labels == nil {
		r.Labels = map[string]string{}
	}
	maps.Copy(r.Labels, r.Spec.Labels())
}

// IsTerminal tells whether a run in this phase has ended for good.
func (p RunPhase) IsTerminal() bool {
	switch p {
	case RunSucceeded, RunSkipped, RunFailed, RunCancelled, RunAbandoned, RunSuperseded:
		return true
	default:
		return false
	}
}

// IsTerminal tells whether an action in this phase has ended for good.
func (p StepPhase) IsTerminal() bool {
	switch p {
	case StepSucceeded, StepFailed, StepSkipped, StepCancelled, StepAbandoned, StepLost:
		return true
	default:
		return false
	}
}

// Begun tells whether something was sent to the target, and may have left something there.
func (r TargetResult) Begun() bool {
	return slices.ContainsFunc(r.Steps, func(s ActionStatus) bool { return s.Sent })
}

// IsFailure reports whether an action that ended in this phase counts as a failure.
func (p StepPhase) IsFailure() bool { return p == StepFailed || p == StepLost || p == StepAbandoned }
