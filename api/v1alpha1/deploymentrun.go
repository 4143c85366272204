package v1alpha1

// IsTerminal tells whether a run in this phase has ended for good.
func (p RunPhase) IsTerminal() bool {
	switch p {
	case RunSucceeded, RunFailed, RunCancelled, RunAbandoned, RunSuperseded:
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

// Begun tells whether anything may have been sent to a machine for an action in this phase.
func (p StepPhase) Begun() bool { return p != "" && p != StepPending && p != StepSkipped }

// Begun tells whether something began on the target, and may have left something there.
func (r TargetResult) Begun() bool {
	for _, s := range r.Steps {
		if s.Phase.Begun() && s.StartTime != nil {
			return true
		}
	}
	return false
}

// Bad tells whether an action that ended in this phase counts as a failure.
func (p StepPhase) Bad() bool { return p == StepFailed || p == StepLost || p == StepAbandoned }
