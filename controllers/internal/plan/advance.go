package plan

import (
	"cmp"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
)

// place is how far a target is in one top-level step.
type place int

const (
	notBegun place = iota
	inFlight
	finished
)

// advanceAll advances the steps in the order of the process and reports whether all are over.
func (p *pass) advanceAll() bool {
	for _, s := range p.steps {
		if !p.advance(s) {
			return false
		}
		s.over = true
	}
	return true
}

// advance starts what can start in one top-level step and reports whether the step is over.
func (p *pass) advance(s *step) bool {
	s.reached, s.holds = true, conditionHolds(s.condition, p.failed)
	var waiting []*machine
	for _, m := range s.members {
		switch p.proceed(s, m) {
		case inFlight:
			s.inFlight++
		case notBegun:
			waiting = append(waiting, m)
		case finished:
		}
	}
	for _, m := range waiting {
		if m.excludedFor != "" {
			continue
		}
		if !p.mayBegin(s) || s.inFlight >= s.window {
			break
		}
		if p.begin(s, m) == inFlight {
			s.inFlight++
		}
	}
	return s.inFlight == 0
}

// conditionHolds reports whether a step with this condition runs, given whether an earlier step has failed.
func conditionHolds(c v1alpha1.StepCondition, failed bool) bool {
	switch c {
	case v1alpha1.ConditionAlways:
		return true
	case v1alpha1.ConditionFailure:
		return failed
	default:
		return !failed
	}
}

// mayBegin reports whether another target may begin this step.
func (p *pass) mayBegin(s *step) bool {
	if !s.holds || s.condition == v1alpha1.ConditionSuccess && p.failed {
		return false
	}
	if p.v.Stop != "" {
		p.stopped = true
		return false
	}
	return true
}

// proceed advances a target in a step that it has begun; it returns notBegun if it has not.
func (p *pass) proceed(s *step, m *machine) place {
	if first := phaseOf(m.attempts[s.leaves[0].index]); first != v1alpha1.StepRunning && !first.IsTerminal() {
		return notBegun
	}
	return p.walk(s, m)
}

// begin begins a step on a target whose turn it is, or ends the target's turn if it is not available.
func (p *pass) begin(s *step, m *machine) place {
	switch m.Availability {
	case "", Available, Untrusted, Full, Deleted, Changed: // startLeaf handles the last four, because they matter between children too
		return p.walk(s, m)
	case Left:
		p.end(m, s.leaves[0], v1alpha1.StepSkipped, v1alpha1.ReasonTargetChanged, "the target is no longer in the environment")
	case Cordoned:
		p.endUnavailable(m, s.leaves[0], v1alpha1.ReasonCordoned, "the target is cordoned"+because(m.Message))
	default: // the dispatcher finds out whether it is still unreachable
		return p.walk(s, m)
	}
	return finished
}

// endUnavailable ends the turn of a target that is not available.
func (p *pass) endUnavailable(m *machine, l leaf, reason, message string) {
	phase, reason, message := unavailableResult(p.v.Settings, m.begun, reason, message)
	if p.failure(p.end(m, l, phase, reason, message)) {
		p.failed = true
	}
}

// walk goes through a target's leaves in a step that it has begun or begins now: past those that have ended, up to one
// that is running or that it starts.
func (p *pass) walk(s *step, m *machine) place {
	sentHere, failedHere := false, false
	for _, l := range s.leaves {
		a := m.attempts[l.index]
		if a.Running() {
			return inFlight
		}
		if !phaseOf(a).IsTerminal() {
			var at place
			if a, at = p.startLeaf(s, m, l, failedHere); a == nil {
				return at
			}
		}
		sentHere = sentHere || a.Sent
		if p.failure(a) {
			failedHere, p.failed = true, true
			if !sentHere { // nothing was sent, so there is nothing to clean up
				return finished
			}
		}
	}
	return finished
}

// startLeaf starts a leaf on a target, or ends it at once. If it ends it, it returns the attempt, and the walk
// continues with the next leaf. Otherwise it returns nil and the target's place.
func (p *pass) startLeaf(s *step, m *machine, l leaf, failedHere bool) (ended *ledger.Attempt, at place) {
	switch {
	case m.excludedFor != "":
		return nil, finished
	case s.rolling && !conditionHolds(l.condition, failedHere):
		return p.end(m, l, v1alpha1.StepSkipped, v1alpha1.ReasonCondition, conditionMessage(l.condition)), inFlight
	case p.v.Stop == Cancel:
		p.stopped = true
		return nil, finished
	case m.Availability == Deleted || m.Availability == Changed:
		reason, message := m.goneReason()
		p.end(m, l, v1alpha1.StepSkipped, reason, message)
		return nil, finished
	case m.Availability == Untrusted || m.Availability == Full:
		reason, message := m.refusal()
		return p.end(m, l, v1alpha1.StepFailed, reason, message), inFlight
	default:
		p.start(s, m, l)
		return nil, inFlight
	}
}

// goneReason returns why a target no longer belongs to the run.
func (m *machine) goneReason() (reason, message string) {
	if m.Availability == Deleted {
		return v1alpha1.ReasonTargetDeleted, "the target was deleted or recreated"
	}
	return v1alpha1.ReasonTargetChanged, "the thumbprint of the target was changed"
}

// refusal returns why nothing may be sent to a target, whatever the settings are.
func (m *machine) refusal() (reason, message string) {
	if m.Availability == Full {
		return v1alpha1.ReasonTooManyProjects, "the target has reached its limit of projects" + because(m.Message)
	}
	return cmp.Or(m.Reason, v1alpha1.ReasonUntrusted), "the target is not trusted" + because(explain(m.Reason, m.Message))
}
