package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
	"github.com/mantledeploy/mantle/controllers/internal/text"
)

// summary converts the tally to the form of a run's status.
func (p *pass) summary() Summary {
	s := Summary{Targets: p.tally.targets, Results: make([]ledger.TargetSummary, len(p.machines)), Waiting: int32(len(p.tally.waits)) - p.tally.preparing}
	began := 0
	for i := range p.machines {
		s.Results[i] = p.machines[i].record.summary
		if phase := s.Results[i].Phase; phase.IsTerminal() && phase != v1alpha1.StepSkipped {
			began++
		}
	}
	s.Progress = fmt.Sprintf("%d/%d", began, len(p.machines))
	for _, st := range p.steps {
		for _, l := range st.leaves {
			row := p.tally.leaves[l.index].status(l, st.over)
			s.Steps = append(s.Steps, row)
		}
		if s.CurrentStep == "" && !st.over {
			s.CurrentStep = p.currentStep(st, s.Steps[len(s.Steps)-len(st.leaves):])
		}
	}
	s.Failures, s.Waits = p.failures(), p.waits()
	return s
}

// currentStep returns Summary.CurrentStep for a step that is not over: its last leaf that runs on a target, or else the
// first leaf that has not ended on all, and on how many targets that leaf has succeeded.
func (p *pass) currentStep(s *step, rows []v1alpha1.RunStepStatus) string {
	at := slices.IndexFunc(rows, func(row v1alpha1.RunStepStatus) bool { return !row.Phase.IsTerminal() })
	for i, l := range s.leaves {
		if p.tally.leaves[l.index].running > 0 {
			at = i
		}
	}
	if at < 0 {
		return ""
	}
	return fmt.Sprintf("%s (%s)", rows[at].Name, rows[at].Targets)
}

func (p *pass) failures() []v1alpha1.RunFailure {
	var list []v1alpha1.RunFailure
	for _, c := range p.tally.failures[:min(len(p.tally.failures), maxFailures)] {
		_, reason := failurePhase(c.a)
		failure := v1alpha1.RunFailure{
			Target: c.m.Name, Step: c.l.path, Attempt: c.a.Number,
			Reason: reason, ExitCode: c.a.ExitCode, Message: text.Cut(c.a.Message, maxMessage),
		}
		if c.a.Sent {
			failure.Log = c.m.Name + "/" + c.l.path
		}
		list = append(list, failure)
	}
	return list
}

// waits returns what running actions wait for. The run itself is Waiting if all of them wait; an action that is being
// prepared does not count as waiting.
func (p *pass) waits() []Wait {
	phase := v1alpha1.RunRunning
	if len(p.tally.waits) == p.running && p.tally.preparing == 0 {
		phase = v1alpha1.RunWaiting
	}
	var list []Wait
	for _, c := range p.tally.waits[:min(len(p.tally.waits), maxWaits)] {
		list = append(list, Wait{Phase: phase, Reason: c.a.Reason,
			Message: fmt.Sprintf("%s waits on %s: %s", c.l.path, c.m.Name, cmp.Or(text.Cut(c.a.Message, maxMessage), c.a.Reason))})
	}
	return list
}

// targetSummary returns the result on one target so far. The order of the cases is the precedence of the phases.
func (p *pass) targetSummary(m *machine) ledger.TargetSummary {
	r := &m.record
	s := ledger.TargetSummary{StartTime: r.start, FinishTime: r.finish}
	switch {
	case r.running:
		s.Phase = v1alpha1.StepRunning
	case r.failed != nil:
		s.Phase, s.Reason = failurePhase(r.failed)
	case m.excludedFor != "":
		s.Phase, s.Reason = m.missedSome(), m.excludedFor
	case r.cancelled != nil:
		s.Phase, s.Reason = m.missedSome(), cmp.Or(r.cancelled.Reason, v1alpha1.ReasonCancelled)
	case !r.addressed:
		s.Phase, s.Reason = v1alpha1.StepSkipped, v1alpha1.ReasonRole
		if m.Availability == Deleted || m.Availability == Changed {
			s.Reason, _ = m.goneReason()
		}
	case r.succeeded && m.begun:
		s.Phase = v1alpha1.StepSucceeded
	default:
		s.Phase, s.Reason = p.unfinished(m)
	}
	if !s.Phase.IsTerminal() {
		s.FinishTime = time.Time{}
	}
	return s
}

// missedSome returns the phase of a target that missed a step without a failure.
func (m *machine) missedSome() v1alpha1.StepPhase {
	if m.begun {
		return v1alpha1.StepCancelled
	}
	return v1alpha1.StepSkipped
}

// unfinished returns the phase of a target without a failure that has leaves left, or none that had to run.
func (p *pass) unfinished(m *machine) (phase v1alpha1.StepPhase, reason string) {
	switch {
	case !p.ended && m.begun:
		return v1alpha1.StepRunning, ""
	case !p.ended:
		return v1alpha1.StepPending, ""
	case m.record.succeeded:
		return m.missedSome(), v1alpha1.ReasonCondition
	case p.stopped && p.v.Stop == Cancel:
		return m.missedSome(), v1alpha1.ReasonCancelled
	case p.stopped && p.v.Stop == Supersede:
		return m.missedSome(), v1alpha1.ReasonSuperseded
	default:
		return m.missedSome(), v1alpha1.ReasonStopped
	}
}

// failurePhase returns the phase and reason of a target on which an action failed.
func failurePhase(a *ledger.Attempt) (phase v1alpha1.StepPhase, reason string) {
	if a.Phase == v1alpha1.StepCancelled {
		return v1alpha1.StepFailed, cmp.Or(a.Reason, v1alpha1.ReasonTimedOut)
	}
	return a.Phase, a.Reason
}

func (p *pass) count(s ledger.TargetSummary) {
	n := &p.tally.targets
	n.Total++
	switch s.Phase {
	case v1alpha1.StepPending:
		n.Pending++
	case v1alpha1.StepRunning:
		n.Running++
	case v1alpha1.StepSucceeded:
		n.Succeeded++
	case v1alpha1.StepFailed, v1alpha1.StepLost, v1alpha1.StepAbandoned:
		n.Failed++
	default:
		if s.Phase == v1alpha1.StepSkipped && unreachedFor(s.Reason) {
			n.Unreached++
			return
		}
		n.Skipped++
		if s.Reason == v1alpha1.ReasonCordoned {
			p.tally.cordoned++
		}
	}
}

// unreachedFor reports whether a target skipped for this reason counts as unreached: it would have been deployed to
// otherwise.
func unreachedFor(reason string) bool {
	switch reason {
	case v1alpha1.ReasonUnavailable, v1alpha1.ReasonStopped, v1alpha1.ReasonCancelled, v1alpha1.ReasonSuperseded:
		return true
	default:
		return false
	}
}
