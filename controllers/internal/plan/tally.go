package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
)

const (
	maxFailures = 20   // of v1alpha1.DeploymentRunStatus
	maxMessage  = 2048 // of v1alpha1.RunFailure
	maxWaits    = 20
)

// cell is one attempt with its target and leaf.
type cell struct {
	m *machine
	l leaf
	a *ledger.Attempt
}

// tally counts all attempts, after the decision is applied to them.
type tally struct {
	targets     v1alpha1.RunTargetCounts
	cordoned    int32 // of targets.Skipped
	leaves      []leafCount
	failures    []cell
	unresolved  []cell // abandoned or lost
	waits       []cell
	preparing   int32 // of waits
	interrupted bool  // a cancel ended an action, or may have
}

// record accumulates the attempts of one target.
type record struct {
	addressed, running, succeeded bool
	failed, cancelled             *ledger.Attempt
	start, finish                 time.Time
	summary                       ledger.TargetSummary
}

// leafCount counts the targets of one leaf.
type leafCount struct {
	members, none, running, succeeded, cancelled int
	failed                                       int32
	start, finish                                time.Time
}

// tallyAll counts every attempt once.
func (p *pass) tallyAll() {
	p.tally.leaves = make([]leafCount, len(p.leaves))
	for _, s := range p.steps {
		for _, m := range s.members {
			for _, l := range s.leaves {
				a := m.attempts[l.index]
				p.collect(cell{m, l, a})
				p.tally.leaves[l.index].add(a, p.failure(a))
				m.record.add(a, p.failure(a), countsAsSuccess(s, l, a))
			}
		}
	}
	for i := range p.machines {
		m := &p.machines[i]
		m.record.summary = p.targetSummary(m)
		p.count(m.record.summary)
	}
	byEnd := func(a, b cell) int { return cmp.Or(a.a.EndTime.Compare(b.a.EndTime), byPlace(a, b)) }
	slices.SortFunc(p.tally.failures, byEnd)
	slices.SortFunc(p.tally.unresolved, byEnd)
	slices.SortFunc(p.tally.waits, func(a, b cell) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), byPlace(a, b))
	})
}

func byPlace(a, b cell) int {
	return cmp.Or(cmp.Compare(a.l.index, b.l.index), cmp.Compare(a.m.index, b.m.index))
}

// rank sorts actions that are being prepared last: that does not take long.
func rank(c cell) int {
	if c.a.Reason == v1alpha1.ReasonPreparing {
		return 1
	}
	return 0
}

// collect stores the attempts that the summary names individually.
func (p *pass) collect(c cell) {
	if c.a == nil {
		return
	}
	t := &p.tally
	if p.failure(c.a) {
		t.failures = append(t.failures, c)
	}
	switch c.a.Phase {
	case v1alpha1.StepRunning:
		if c.a.Reason != "" {
			t.waits = append(t.waits, c)
			t.preparing += int32(rank(c))
		}
	case v1alpha1.StepAbandoned, v1alpha1.StepLost:
		t.unresolved = append(t.unresolved, c)
		t.interrupted = true
	case v1alpha1.StepCancelled:
		t.interrupted = true
	default:
		t.interrupted = t.interrupted || !c.a.CancelTime.IsZero() && c.a.Phase != v1alpha1.StepSucceeded
	}
}

func (r *record) add(a *ledger.Attempt, failed, succeeded bool) {
	r.addressed = true
	r.succeeded = r.succeeded && succeeded
	if a == nil {
		return
	}
	r.start, r.finish = earliest(r.start, a.StartTime), latest(r.finish, a.EndTime)
	r.running = r.running || a.Running()
	if r.failed == nil && failed {
		r.failed = a
	}
	if a.Phase == v1alpha1.StepCancelled {
		r.cancelled = a
	}
}

func (c *leafCount) add(a *ledger.Attempt, failed bool) {
	c.members++
	if a == nil {
		c.none++
		return
	}
	c.start, c.finish = earliest(c.start, a.StartTime), latest(c.finish, a.EndTime)
	switch {
	case failed:
		c.failed++
	case a.Running():
		c.running++
	case !a.Phase.IsTerminal():
		c.none++
	case a.Phase == v1alpha1.StepSucceeded:
		c.succeeded++
	case a.Phase == v1alpha1.StepCancelled && !gone(a.Reason):
		c.cancelled++
	}
}

// countsAsSuccess reports whether a leaf succeeded on a target, or correctly did not run because of its condition.
func countsAsSuccess(s *step, l leaf, a *ledger.Attempt) bool {
	switch phaseOf(a) {
	case v1alpha1.StepSucceeded:
		return s.condition != v1alpha1.ConditionFailure // such a step may have undone the others
	case v1alpha1.StepSkipped:
		return a.Reason == v1alpha1.ReasonCondition && l.condition == v1alpha1.ConditionFailure
	case "":
		return s.reached && !s.holds && s.condition == v1alpha1.ConditionFailure
	default:
		return false
	}
}

// status returns the row of a leaf in the run's status.
func (c *leafCount) status(l leaf, over bool) v1alpha1.RunStepStatus {
	status := v1alpha1.RunStepStatus{
		Name: l.path, Phase: c.phase(over || c.members > 0 && c.none == 0), StartTime: stamp(c.start),
		Targets: fmt.Sprintf("%d/%d", c.succeeded, c.members), Failed: c.failed,
	}
	if status.Phase.IsTerminal() {
		status.FinishTime = stamp(c.finish)
	}
	return status
}

func (c *leafCount) phase(over bool) v1alpha1.StepPhase {
	switch {
	case c.running > 0, !over && c.none < c.members:
		return v1alpha1.StepRunning
	case !over:
		return v1alpha1.StepPending
	case c.failed > 0:
		return v1alpha1.StepFailed
	case c.cancelled > 0:
		return v1alpha1.StepCancelled
	case c.succeeded > 0:
		return v1alpha1.StepSucceeded
	default:
		return v1alpha1.StepSkipped
	}
}

func stamp(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t}
}
