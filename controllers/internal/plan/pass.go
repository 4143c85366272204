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
	holds     bool // its condition holds; meant only when reached
	over      bool // nothing of it is in flight, and nothing of it will begin
}

// machine is one target and what the attempts say of it.
type machine struct {
	*Target
	index    int
	steps    []*step           // that address it, in order
	attempts []*ledger.Attempt // by leaf
	begun    bool              // something was sent to it in this run
	left     string            // the reason why the rest of the run leaves it out; empty while it takes part
	record   record
}

// pass is one evaluation of a view. What it decides is laid over the attempts at once, so that what it decides next
// takes it into account.
type pass struct {
	v        View
	leaves   []leaf
	steps    []*step
	machines []machine
	flights  [][]*machine // by leaf, what is running in the view
	d        Decision
	failed   bool // something has failed in the steps looked at so far
	stopped  bool // something would have begun but for View.Stop
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

// addMachines puts every target into the steps that address it, with a copy of its row of attempts: decisions are laid
// over the copies. All rows share one array, as all lists of steps do, which costs less than one for each target.
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
		*m = machine{Target: &p.v.Targets[i], index: i, steps: steps[from:], attempts: grid[i*width : (i+1)*width], record: record{well: true}}
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

// read takes into account what an attempt says of its target.
func (p *pass) read(m *machine, l leaf) {
	a := m.attempts[l.index]
	if a == nil {
		return
	}
	m.begun = m.begun || a.Sent
	m.leave(a)
	if a.Running() {
		p.flights[l.index] = append(p.flights[l.index], m)
		p.running++
	}
}

// window is how many of n targets may be in flight at once.
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
		p.note("%s is tried once for %s, as it could not be reached before%s", m.Name, l.path, because(explain(m.Reason, m.Message)))
		return
	}
	if s.window < len(s.members) {
		p.note("%s begins %s (%d of %d in flight)", m.Name, l.path, s.inFlight+1, s.window)
		return
	}
	p.note("%s begins %s", m.Name, l.path)
}

// awayAtTurn tells whether a target is believed to be away before anything of the step was sent to it. Between the children
// of a rolling step it is tried for longer, as a reboot may be what the children are for.
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
	m.leave(&a)
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

// failure tells whether an attempt counts as a failure of the run.
func (p *pass) failure(a *ledger.Attempt) bool {
	if phaseOf(a) == v1alpha1.StepCancelled {
		return p.v.Stop != Cancel && !gone(a.Reason)
	}
	return phaseOf(a).Bad()
}

// leave remembers that an attempt takes the target out of the rest of the run.
func (m *machine) leave(a *ledger.Attempt) {
	skipped := a.Phase == v1alpha1.StepSkipped && (a.Reason == v1alpha1.ReasonUnavailable || a.Reason == v1alpha1.ReasonCordoned)
	if skipped || a.Phase.IsTerminal() && gone(a.Reason) {
		m.left = a.Reason
	}
}

// gone tells whether a reason says that the target is no longer the run's.
func gone(reason string) bool {
	return reason == v1alpha1.ReasonTargetDeleted || reason == v1alpha1.ReasonTargetChanged
}

// phaseOf is the phase of an attempt, empty where there is none.
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
