package plan

import (
	"cmp"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
)

// place is where a target is in one top-level step.
type place int

const (
	notBegun place = iota
	inFlight
	finished
)

// advanceAll takes the steps forward in the order of the process and tells whether all are over.
func (p *pass) advanceAll() bool {
	for _, s := range p.steps {
		if !p.advance(s) {
			return false
		}
		s.over = true
	}
	return true
}

// advance takes one top-level step forward and tells whether it is over.
func (p *pass) advance(s *step) bool {
	s.reached, s.holds = true, conditionHolds(s.condition, p.failed)
	var waiting []*machine
	for _, m := range s.members {
		switch p.goOn(s, m) {
		case inFlight:
			s.inFlight++
		case notBegun:
			waiting = append(waiting, m)
		case finished:
		}
	}
	for _, m := range waiting {
		if m.left != "" {
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

// conditionHolds tells whether a step with this condition runs, given whether something has failed before.
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

// mayBegin tells whether a further target may begin this step.
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

// goOn takes a target further in a step that it has begun.
func (p *pass) goOn(s *step, m *machine) place {
	if first := phaseOf(m.attempts[s.leaves[0].index]); first != v1alpha1.StepRunning && !first.IsTerminal() {
		return notBegun
	}
	return p.walk(s, m)
}

// begin takes a target whose turn it is into a step.
func (p *pass) begin(s *step, m *machine) place {
	switch m.Availability {
	case "", Available, Untrusted, Full, Deleted, Changed: // take treats the last four, as they matter between children too
		return p.walk(s, m)
	case Left:
		p.end(m, s.leaves[0], v1alpha1.StepSkipped, v1alpha1.ReasonTargetChanged, "the target is no longer in the environment")
	case Cordoned:
		p.miss(m, s.leaves[0], v1alpha1.ReasonCordoned, "the target is cordoned"+because(m.Message))
	default: // whether it is still away, who sends finds out
		return p.walk(s, m)
	}
	return finished
}

// miss ends the turn of a target that cannot take it.
func (p *pass) miss(m *machine, l leaf, reason, message string) {
	phase, reason, message := missed(p.v.Settings, m.begun, reason, message)
	if p.failure(p.end(m, l, phase, reason, message)) {
		p.failed = true
	}
}

// walk goes through a target's leaves in a step that it has begun or now begins: over those that have ended, up to one
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
			if a, at = p.take(s, m, l, failedHere); a == nil {
				return at
			}
		}
		sentHere = sentHere || a.Sent
		if p.failure(a) {
			failedHere, p.failed = true, true
			if !sentHere { // nothing was touched, so there is nothing to clean up after
				return finished
			}
		}
	}
	return finished
}

// take gives a leaf its turn on a target. Where that ends it at once it returns how, and the walk goes on with the next
// leaf; otherwise it returns nil, and where the target is now.
func (p *pass) take(s *step, m *machine, l leaf, failedHere bool) (ended *ledger.Attempt, at place) {
	switch {
	case m.left != "":
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

// goneReason says why a target is no longer the run's.
func (m *machine) goneReason() (reason, message string) {
	if m.Availability == Deleted {
		return v1alpha1.ReasonTargetDeleted, "the target was deleted, or made again"
	}
	return v1alpha1.ReasonTargetChanged, "the target was given another thumbprint"
}

// refusal says why nothing may be sent to a target, whatever the settings say.
func (m *machine) refusal() (reason, message string) {
	if m.Availability == Full {
		return v1alpha1.ReasonTooManyProjects, "the target takes no further project" + because(m.Message)
	}
	return cmp.Or(m.Reason, v1alpha1.ReasonUntrusted), "the target is not trusted" + because(explain(m.Reason, m.Message))
}
