package plan

import (
	"cmp"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Next decides what happens now. It is a function of the facts alone and changes none of them. With the decision
// written into the rows it decides nothing further on the same facts, but for a cancel that is not marked as sent.
func Next(f Facts) Decision {
	p := newPass(f)
	p.run()
	return p.d
}

// place is where a target is in one top-level step.
type place int

const (
	notBegun place = iota
	inFlight
	finished
)

// advance moves one top-level step on and tells whether it is over.
func (p *pass) advance(s *step) bool {
	s.reached, s.holds = true, conditionHolds(s.condition, p.failed)
	var waiting []*machine
	flying := 0
	for _, m := range s.members {
		switch p.walk(s, m, false, flying) {
		case inFlight:
			flying++
		case notBegun:
			waiting = append(waiting, m)
		case finished:
		}
	}
	for _, m := range waiting {
		if m.out != "" {
			continue
		}
		if !p.mayBegin(s) || flying >= s.window {
			break
		}
		if p.begin(s, m, flying) == inFlight {
			flying++
		}
	}
	return flying == 0
}

// mayBegin tells whether a further target may begin this step.
func (p *pass) mayBegin(s *step) bool {
	if !s.holds || s.condition == v1alpha1.ConditionSuccess && p.failed {
		return false
	}
	if s.index < p.furthest { // a role that a target was given too late
		return false
	}
	if p.f.Stop != "" {
		p.kept = true
		return false
	}
	return true
}

// begin takes a target whose turn it is into a step.
func (p *pass) begin(s *step, m *machine, flying int) place {
	first := s.leaves[0].path
	switch m.Availability {
	case "", Available, Untrusted, Full, Deleted, Changed: // walk treats the last four, as they matter between children too
	default:
		if m.Availability == Cordoned {
			p.miss(m, first, v1alpha1.ReasonCordoned, "the target is cordoned"+because(m.Message))
		} else {
			p.miss(m, first, v1alpha1.ReasonUnavailable, "the target cannot be reached"+because(explain(m.Reason, m.Message)))
		}
		return finished
	}
	return p.walk(s, m, true, flying)
}

// miss ends the turn of a target that cannot take it.
func (p *pass) miss(m *machine, path, reason, message string) {
	end := missed(p.f.Settings, m.begun, reason, message)
	if p.failure(p.end(m, path, end.Phase, end.Reason, end.Message)) {
		p.failed = true
	}
}

// walk goes through a target's leaves in one step. It stops at what is running, starts what is due when the target has
// begun the step (or begins is true), and tells where the target is.
func (p *pass) walk(s *step, m *machine, begins bool, flying int) place {
	here, failedHere := false, false
	for i, l := range s.leaves {
		row := p.row(Key{Target: m.Name, Step: l.path})
		if row.Phase == v1alpha1.StepRunning {
			return inFlight
		}
		if !row.Phase.IsTerminal() {
			switch {
			case i == 0 && !begins:
				return notBegun
			case m.out != "":
				return finished
			}
			var at place
			if row, at = p.due(s, m, l, failedHere, flying); at != notBegun {
				return at
			}
		}
		here = here || sent(row)
		if p.failure(row) {
			failedHere, p.failed = true, true
			if !here { // its turn failed before anything was sent: the other children are for targets that began
				return finished
			}
		}
	}
	return finished
}

// due treats a leaf whose time has come. It gives the row that it wrote and notBegun where the walk goes on, otherwise
// where the target is.
func (p *pass) due(s *step, m *machine, l leaf, failedHere bool, flying int) (Row, place) {
	switch {
	case s.rolling && !conditionHolds(l.condition, failedHere):
		return p.end(m, l.path, v1alpha1.StepSkipped, v1alpha1.ReasonCondition, conditionMessage(l.condition)), notBegun
	case p.f.Stop == Cancel:
		p.kept = true
		return Row{}, finished
	case m.Availability == Deleted || m.Availability == Changed:
		reason, message := m.goneReason()
		p.end(m, l.path, v1alpha1.StepSkipped, reason, message)
		return Row{}, finished
	case m.Availability == Untrusted || m.Availability == Full:
		reason, message := m.refusal()
		return p.end(m, l.path, v1alpha1.StepFailed, reason, message), notBegun
	default:
		p.start(s, m, l, flying)
		return Row{}, inFlight
	}
}

// refusal says why nothing may be sent to a target, whatever the settings say.
func (m *machine) refusal() (reason, message string) {
	if m.Availability == Full {
		return v1alpha1.ReasonTooManyProjects, "the target takes no further project" + because(m.Message)
	}
	return cmp.Or(m.Reason, v1alpha1.ReasonUntrusted), "the target is not trusted" + because(explain(m.Reason, m.Message))
}

// Completes tells of actions that are in flight what Start.Final said of them.
func Completes(f Facts) func(Key) bool {
	p := newPass(f)
	p.run()
	return func(k Key) bool {
		m := p.byName[k.Target]
		return m != nil && p.completes(m, k.Step)
	}
}

// completes tells whether an action, when it goes well, completes the release on the target.
func (p *pass) completes(m *machine, path string) bool {
	before := true
	for _, s := range m.steps {
		for _, l := range s.leaves {
			switch {
			case l.path == path:
				if s.condition == v1alpha1.ConditionFailure {
					return false
				}
				before = false
			case before && !p.well(s, m, l):
				return false
			case !before && s.condition != v1alpha1.ConditionFailure && l.condition != v1alpha1.ConditionFailure:
				return false
			}
		}
	}
	return true
}

// well tells whether a leaf ended well on a target, or was rightly passed over by its condition.
func (p *pass) well(s *step, m *machine, l leaf) bool {
	row := p.row(Key{Target: m.Name, Step: l.path})
	switch row.Phase {
	case v1alpha1.StepSucceeded:
		return s.condition != v1alpha1.ConditionFailure // it may have undone what the others did
	case v1alpha1.StepSkipped:
		return row.Reason == v1alpha1.ReasonCondition && l.condition == v1alpha1.ConditionFailure
	default:
		return row.Phase == "" && s.reached && !s.holds && s.condition == v1alpha1.ConditionFailure
	}
}
