package plan

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
)

// maxNotes bounds the notes of one decision.
const maxNotes = 500

// leaf is one script or package of the process.
type leaf struct {
	index     int
	path      string
	condition v1alpha1.StepCondition
	timeout   time.Duration
}

// step is one top-level step, with the targets that it addresses.
type step struct {
	condition v1alpha1.StepCondition
	rolling   bool
	leaves    []leaf
	members   []*machine // by name
	window    int        // how many targets may be in flight at once
	inFlight  int
	reached   bool // the run has come to it
	holds     bool // its condition holds; valid if reached
	over      bool // nothing of it is in flight, and nothing more of it will begin
}

// machine is one target with its attempts.
type machine struct {
	*Target
	index       int
	steps       []*step           // that address it, in order
	attempts    []*ledger.Attempt // by leaf
	begun       bool              // something was sent to it in this run
	excludedFor string            // the reason why it is excluded from the rest of the run; empty while it takes part
	record      record
}

// pass is one evaluation of a view. Each decision is applied at once to copies of the attempts, so that the next one
// takes it into account.
type pass struct {
	v        View
	leaves   []leaf
	steps    []*step
	machines []machine
	flights  [][]*machine // by leaf, the targets on which it is running in the view
	d        Decision
	failed   bool // something has failed in the steps evaluated so far
	stopped  bool // something would have begun without View.Stop
	running  int
	ended    bool // nothing is in flight and nothing may begin
	tally    tally
}

func newPass(v View) *pass {
	if v.CancelDeadline <= 0 {
		v.CancelDeadline = DefaultCancelDeadline
	}
	if v.StopSince.IsZero() {
		v.StopSince = v.Now
	}
	p := &pass{v: v, machines: make([]machine, len(v.Targets))}
	for i := range v.Steps {
		p.steps = append(p.steps, &step{condition: v.Steps[i].GetCondition(), rolling: len(v.Steps[i].Steps) > 0})
	}
	for i, l := range v1alpha1.Leaves(v.Steps) {
		of := leaf{index: i, path: l.Path, condition: l.GetCondition(), timeout: l.GetTimeout()}
		p.leaves = append(p.leaves, of)
		p.steps[l.Index].leaves = append(p.steps[l.Index].leaves, of)
	}
	p.flights = make([][]*machine, len(p.leaves))
	p.addMachines()
	for i, s := range p.steps {
		s.window = window(v.Steps[i].Window, s.rolling, len(s.members))
	}
	return p
}

// addMachines adds every target to the steps that address it, with a copy of its row of attempts, to which decisions are
// applied. All rows share one array, and so do all lists of steps: that costs less than one array for each target.
func (p *pass) addMachines() {
	width, addressed := len(p.leaves), 0
	for i := range p.v.Targets {
		addressed += len(p.v.Targets[i].Steps)
	}
	grid, steps := make([]*ledger.Attempt, len(p.v.Targets)*width), make([]*step, 0, addressed)
	for i := range p.machines {
		m, from := &p.machines[i], len(steps)
		for _, s := range p.v.Targets[i].Steps {
			if s >= 0 && int(s) < len(p.steps) {
				steps = append(steps, p.steps[s])
			}
		}
		*m = machine{Target: &p.v.Targets[i], index: i, steps: steps[from:], attempts: grid[i*width : (i+1)*width], record: record{succeeded: true}}
		if i < len(p.v.Attempts) {
			copy(m.attempts, p.v.Attempts[i])
		}
		for _, s := range m.steps {
			s.members = append(s.members, m)
			for _, l := range s.leaves {
				p.read(m, l)
			}
		}
	}
}

// read updates a target from one of its attempts.
func (p *pass) read(m *machine, l leaf) {
	a := m.attempts[l.index]
	if a == nil {
		return
	}
	m.begun = m.begun || a.Sent
	m.exclude(a)
	if a.Running() {
		p.flights[l.index] = append(p.flights[l.index], m)
		p.running++
	}
}

// window returns how many of n targets may be in flight at once.
func window(given *intstr.IntOrString, rolling bool, n int) int {
	size := n
	if rolling {
		size = 1
	}
	if given != nil {
		if scaled, err := intstr.GetScaledValueFromIntOrPercent(given, n, true); err == nil {
			size = scaled
		}
	}
	return max(size, 1)
}

// start decides that an action begins.
func (p *pass) start(s *step, m *machine, l leaf) {
	k := Key{Target: m.index, Leaf: l.index}
	a := &ledger.Attempt{Number: number(m.attempts[l.index]) + 1, Phase: v1alpha1.StepRunning, StartTime: p.v.Now}
	p.d.Start = append(p.d.Start, Start{Key: k, Attempt: a.Number, Final: p.completes(m, l), Away: s.awayAtTurn(m)})
	m.attempts[l.index] = a
	p.running++
	p.wake(p.giveUpTime(a).Sub(p.v.Now))
	if s.awayAtTurn(m) {
		p.note("%s begins %s with one attempt to connect, because it could not be reached before%s", m.Name, l.path, because(explain(m.Reason, m.Message)))
		return
	}
	if s.window < len(s.members) {
		p.note("%s begins %s (%d of %d in flight)", m.Name, l.path, s.inFlight+1, s.window)
		return
	}
	p.note("%s begins %s", m.Name, l.path)
}

// awayAtTurn reports whether a target is believed to be unreachable and nothing of the step was sent to it. Between the
// children of a rolling step it is tried for longer, because a child may have rebooted it.
func (s *step) awayAtTurn(m *machine) bool {
	switch m.Availability {
	case "", Available, Cordoned, Untrusted, Full, Left, Deleted, Changed:
		return false
	}
	return !slices.ContainsFunc(s.leaves, func(l leaf) bool { a := m.attempts[l.index]; return a != nil && a.Sent })
}

// end decides that an action ends without a result of its own.
func (p *pass) end(m *machine, l leaf, phase v1alpha1.StepPhase, reason, message string) *ledger.Attempt {
	var a ledger.Attempt
	if before := m.attempts[l.index]; before != nil {
		a = *before
	}
	if a.Running() {
		p.running--
	}
	a.Phase, a.Reason, a.Message, a.EndTime = phase, reason, message, p.v.Now
	m.attempts[l.index] = &a
	p.d.End = append(p.d.End, End{Key: Key{Target: m.index, Leaf: l.index}, Phase: phase, Reason: reason, Message: message})
	m.exclude(&a)
	p.note("%s %s: %s (%s): %s", m.Name, l.path, phase, reason, message)
	return &a
}

func (p *pass) note(format string, args ...any) {
	if len(p.d.Notes) < maxNotes {
		p.d.Notes = append(p.d.Notes, fmt.Sprintf(format, args...))
	}
}

func (p *pass) wake(after time.Duration) {
	if after > 0 && (p.d.Wake == 0 || after < p.d.Wake) {
		p.d.Wake = after
	}
}

// failure reports whether an attempt counts as a failure of the run.
func (p *pass) failure(a *ledger.Attempt) bool {
	if phaseOf(a) == v1alpha1.StepCancelled {
		return p.v.Stop != Cancel && !gone(a.Reason)
	}
	return phaseOf(a).IsFailure()
}

// exclude excludes the target from the rest of the run if the attempt says so.
func (m *machine) exclude(a *ledger.Attempt) {
	skipped := a.Phase == v1alpha1.StepSkipped && (a.Reason == v1alpha1.ReasonUnavailable || a.Reason == v1alpha1.ReasonCordoned)
	if skipped || a.Phase.IsTerminal() && gone(a.Reason) {
		m.excludedFor = a.Reason
	}
}

// gone reports whether a reason says that the target no longer belongs to the run.
func gone(reason string) bool {
	return reason == v1alpha1.ReasonTargetDeleted || reason == v1alpha1.ReasonTargetChanged
}

// phaseOf returns the phase of an attempt; empty if there is none.
func phaseOf(a *ledger.Attempt) v1alpha1.StepPhase {
	if a == nil {
		return ""
	}
	return a.Phase
}

func number(a *ledger.Attempt) int32 {
	if a == nil {
		return 0
	}
	return a.Number
}
