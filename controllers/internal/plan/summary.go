package plan

import (
	"cmp"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Summary is what facts mean for a run's status.
type Summary struct {
	// Targets counts them; every target is in exactly one of its counts but Total.
	Targets v1alpha1.RunTargetCounts
	// Steps has a row for each leaf of the process, in order.
	Steps []v1alpha1.RunStepStatus
	// Failures are the first 20 actions that failed, in the order in which they ended.
	Failures []v1alpha1.RunFailure
	// Progress is how many targets the run has ended on after it began on them, of how many: "3/5".
	Progress string
	// CurrentStep is the first leaf that has not ended; empty when all have.
	CurrentStep string
	// Results by target name.
	Results map[string]TargetSummary
}

// TargetSummary is what a run did to one target.
type TargetSummary struct {
	// Phase is Succeeded only when every step for the target ended well or was rightly passed over; Skipped when
	// nothing was sent to it; Cancelled when it began and missed a step.
	Phase v1alpha1.StepPhase
	// Reason in one word, where it did not succeed.
	Reason string
	// StartTime of its first action and FinishTime of its last; zero when not known.
	StartTime, FinishTime time.Time
}

// Summarize tells how far the run is on these facts, as if the decision that Next takes on them were carried out.
func Summarize(f Facts) Summary {
	p := newPass(f)
	p.run()
	s := Summary{Targets: p.counts(), Results: make(map[string]TargetSummary, len(p.machines))}
	began := int32(0)
	for _, m := range p.machines {
		r := p.result(m)
		s.Results[m.Name] = r
		if r.Phase.IsTerminal() && r.Phase != v1alpha1.StepSkipped {
			began++
		}
	}
	s.Progress = fmt.Sprintf("%d/%d", began, len(p.machines))
	for _, st := range p.steps {
		for _, l := range st.leaves {
			row := p.leafStatus(st, l)
			s.Steps = append(s.Steps, row)
			if s.CurrentStep == "" && !row.Phase.IsTerminal() {
				s.CurrentStep = l.path
			}
		}
	}
	s.Failures = p.failures()
	return s
}

// scan is what the rows of one target say.
type scan struct {
	leaves        int
	running, well bool
	bad           *Row // the first that failed
	cancelled     *Row
	start, finish time.Time
}

func (p *pass) scan(m *machine) scan {
	sc := scan{well: true}
	for _, s := range m.steps {
		for _, l := range s.leaves {
			row := p.row(Key{Target: m.Name, Step: l.path})
			sc.leaves++
			sc.start, sc.finish = earliest(sc.start, row.StartTime), latest(sc.finish, row.EndTime)
			sc.running = sc.running || row.Phase == v1alpha1.StepRunning
			sc.well = sc.well && p.well(s, m, l)
			if sc.bad == nil && p.failure(row) {
				sc.bad = &row
			}
			if row.Phase == v1alpha1.StepCancelled {
				sc.cancelled = &row
			}
		}
	}
	return sc
}

// result is what the run did to one target so far.
func (p *pass) result(m *machine) TargetSummary { //nolint:cyclop // the phases in the order in which they outweigh each other
	sc := p.scan(m)
	r := TargetSummary{StartTime: sc.start, FinishTime: sc.finish}
	switch {
	case sc.running:
		r.Phase = v1alpha1.StepRunning
	case sc.bad != nil:
		r.Phase, r.Reason = badPhase(*sc.bad)
	case m.out != "" && m.begun:
		r.Phase, r.Reason = v1alpha1.StepCancelled, m.out
	case m.out != "":
		r.Phase, r.Reason = v1alpha1.StepSkipped, m.out
	case sc.cancelled != nil:
		r.Phase, r.Reason = v1alpha1.StepCancelled, cmp.Or(sc.cancelled.Reason, v1alpha1.ReasonCancelled)
	case sc.leaves == 0:
		r.Phase, r.Reason = v1alpha1.StepSkipped, v1alpha1.ReasonRole
		if m.Availability == Deleted || m.Availability == Changed {
			r.Reason, _ = m.goneReason()
		}
	case sc.well && m.begun:
		r.Phase = v1alpha1.StepSucceeded
	default:
		r.Phase, r.Reason = p.unfinished(m, sc.well)
	}
	if !r.Phase.IsTerminal() {
		r.FinishTime = time.Time{}
	}
	return r
}

// badPhase gives a target the phase of the row that failed on it.
func badPhase(row Row) (v1alpha1.StepPhase, string) {
	if row.Phase == v1alpha1.StepCancelled {
		return v1alpha1.StepFailed, cmp.Or(row.Reason, v1alpha1.ReasonTimedOut)
	}
	return row.Phase, row.Reason
}

// unfinished is the phase of a target without a failure that has leaves left.
func (p *pass) unfinished(m *machine, well bool) (v1alpha1.StepPhase, string) {
	if p.current < len(p.steps) || p.running > 0 {
		if m.begun {
			return v1alpha1.StepRunning, ""
		}
		return v1alpha1.StepPending, ""
	}
	reason := v1alpha1.ReasonStopped
	switch {
	case well:
		reason = v1alpha1.ReasonCondition
	case p.kept && p.f.Stop == Cancel:
		reason = v1alpha1.ReasonCancelled
	case p.kept && p.f.Stop == Supersede:
		reason = v1alpha1.ReasonSuperseded
	}
	if m.begun {
		return v1alpha1.StepCancelled, reason
	}
	return v1alpha1.StepSkipped, reason
}

func (p *pass) counts() v1alpha1.RunTargetCounts {
	n := v1alpha1.RunTargetCounts{Total: int32(len(p.machines))}
	for _, m := range p.machines {
		r := p.result(m)
		switch r.Phase {
		case v1alpha1.StepPending:
			n.Pending++
		case v1alpha1.StepRunning:
			n.Running++
		case v1alpha1.StepSucceeded:
			n.Succeeded++
		case v1alpha1.StepFailed, v1alpha1.StepLost, v1alpha1.StepAbandoned:
			n.Failed++
		default:
			if r.Phase == v1alpha1.StepSkipped && unreachedFor(r.Reason) {
				n.Unreached++
			} else {
				n.Skipped++
			}
		}
	}
	return n
}

// unreachedFor tells whether a target that was skipped for this reason was to be deployed to, and was not.
func unreachedFor(reason string) bool {
	switch reason {
	case v1alpha1.ReasonUnavailable, v1alpha1.ReasonStopped, v1alpha1.ReasonCancelled, v1alpha1.ReasonSuperseded:
		return true
	default:
		return false
	}
}

// leafStatus is how far one leaf is over all its targets.
func (p *pass) leafStatus(s *step, l leaf) v1alpha1.RunStepStatus {
	status := v1alpha1.RunStepStatus{Name: l.path}
	n := map[v1alpha1.StepPhase]int{}
	var start, finish time.Time
	for _, m := range s.members {
		row := p.row(Key{Target: m.Name, Step: l.path})
		switch {
		case p.failure(row):
			row.Phase = v1alpha1.StepFailed
			status.Failed++
		case row.Phase == v1alpha1.StepCancelled && gone(row.Reason):
			row.Phase = v1alpha1.StepSkipped
		}
		n[row.Phase]++
		start, finish = earliest(start, row.StartTime), latest(finish, row.EndTime)
	}
	status.Targets = fmt.Sprintf("%d/%d", n[v1alpha1.StepSucceeded], len(s.members))
	status.Phase = leafPhase(n, s.over || len(s.members) > 0 && n[""] == 0)
	status.StartTime = stamp(start)
	if status.Phase.IsTerminal() {
		status.FinishTime = stamp(finish)
	}
	return status
}

// leafPhase is the phase of a leaf with n rows of each phase; those without a row count under the empty one.
func leafPhase(n map[v1alpha1.StepPhase]int, over bool) v1alpha1.StepPhase {
	if n[v1alpha1.StepRunning] > 0 {
		return v1alpha1.StepRunning
	}
	if !over {
		if len(n) > 1 {
			return v1alpha1.StepRunning
		}
		return v1alpha1.StepPending
	}
	for _, phase := range []v1alpha1.StepPhase{v1alpha1.StepFailed, v1alpha1.StepCancelled, v1alpha1.StepSucceeded} {
		if n[phase] > 0 {
			return phase
		}
	}
	return v1alpha1.StepSkipped
}

func stamp(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t}
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
