package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// leaf is one script or package of the process.
type leaf struct {
	path      string
	condition v1alpha1.StepCondition
	timeout   time.Duration
}

// step is one top-level step, with the targets that it addresses.
type step struct {
	index     int
	condition v1alpha1.StepCondition
	rolling   bool
	leaves    []leaf
	members   []*machine
	window    int
	reached   bool // the run has come to it
	holds     bool // its condition holds; meant only when reached
	over      bool // nothing of it is in flight, nothing of it will begin
}

// machine is one target and what the rows say of it.
type machine struct {
	Target
	steps []*step         // that address it, or have a row of it
	rows  map[string]bool // the top-level steps that have a row of it
	begun bool            // something was sent to it in this run
	out   string          // why the rest of the run leaves it out; empty while it takes part
}

// pass is one evaluation of facts. What it decides is laid over the rows at once, so that it is seen by what it
// decides next.
type pass struct {
	f        Facts
	steps    []*step
	machines []*machine
	byName   map[string]*machine
	decided  map[Key]Row
	d        Decision
	failed   bool // something has failed in the steps looked at so far
	kept     bool // something would have begun but for Stop
	running  int
	current  int // index of the first step that is not over
	furthest int // index of the last step that has a row
}

func newPass(f Facts) *pass {
	p := &pass{f: f, decided: map[Key]Row{}, byName: make(map[string]*machine, len(f.Targets))}
	if p.f.CancelDeadline <= 0 {
		p.f.CancelDeadline = DefaultCancelDeadline
	}
	if p.f.StopSince.IsZero() {
		p.f.StopSince = f.Now
	}
	for _, t := range f.Targets {
		m := &machine{Target: t}
		p.machines = append(p.machines, m)
		p.byName[t.Name] = m
	}
	slices.SortFunc(p.machines, func(a, b *machine) int { return cmp.Compare(a.Name, b.Name) })
	for k, row := range f.Rows {
		if m := p.byName[k.Target]; m != nil {
			m.begun = m.begun || sent(row)
			m.leaveOut(row)
			top, _, _ := strings.Cut(k.Step, "/")
			if m.rows == nil {
				m.rows = map[string]bool{}
			}
			m.rows[top] = true
		}
	}
	leaves := v1alpha1.Leaves(f.Steps)
	for i := range f.Steps {
		p.steps = append(p.steps, p.newStep(i, leaves))
	}
	return p
}

func (p *pass) newStep(index int, leaves []v1alpha1.Leaf) *step {
	of := p.f.Steps[index]
	s := &step{index: index, condition: of.GetCondition(), rolling: len(of.Steps) > 0}
	for _, l := range leaves {
		if l.Index == index {
			s.leaves = append(s.leaves, leaf{path: l.Path, condition: l.GetCondition(), timeout: l.GetTimeout()})
		}
	}
	for _, m := range p.machines {
		begun := m.rows[string(of.Name)] // roles may change during a run
		if begun {
			p.furthest = index
		}
		if begun || of.Addresses(m.Roles) {
			s.members = append(s.members, m)
			m.steps = append(m.steps, s)
		}
	}
	s.window = window(of.Window, s.rolling, len(s.members))
	return s
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

// run looks at everything once, in the order in which a run goes.
func (p *pass) run() {
	p.lookAtRunning()
	for p.current = 0; p.current < len(p.steps); p.current++ {
		if s := p.steps[p.current]; !p.advance(s) {
			return
		}
		p.steps[p.current].over = true
	}
	if p.running == 0 {
		p.d.Outcome = p.outcome()
		p.d.Wake = 0
	}
}

func (p *pass) row(k Key) Row {
	if row, ok := p.decided[k]; ok {
		return row
	}
	return p.f.Rows[k]
}

// start decides that an action begins.
func (p *pass) start(s *step, m *machine, l leaf, inFlight int) {
	k := Key{Target: m.Name, Step: l.path}
	if _, held := p.f.Held[k]; held {
		p.running++ // nothing further begins in its place
		return
	}
	attempt := p.row(k).Attempt + 1
	p.d.Start = append(p.d.Start, Start{Key: k, Attempt: attempt, Final: p.completes(m, l.path)})
	p.decided[k] = Row{Phase: v1alpha1.StepRunning, Attempt: attempt, StartTime: p.f.Now}
	m.begun = true
	p.running++
	p.wake(2*l.timeout + cancelGrace)
	if s.window < len(s.members) {
		p.note("%s begins %s (%d of %d in flight)", m.Name, l.path, inFlight+1, s.window)
		return
	}
	p.note("%s begins %s", m.Name, l.path)
}

// end decides that a row ends without a result of its own.
func (p *pass) end(m *machine, path string, phase v1alpha1.StepPhase, reason, message string) Row {
	k := Key{Target: m.Name, Step: path}
	row := p.row(k)
	if row.Phase == v1alpha1.StepRunning {
		p.running--
	}
	row.Phase, row.Reason, row.Message, row.EndTime = phase, reason, message, p.f.Now
	p.decided[k] = row
	p.d.End = append(p.d.End, End{Key: k, Phase: phase, Reason: reason, Message: message})
	m.leaveOut(row)
	p.note("%s %s: %s (%s): %s", m.Name, path, phase, reason, message)
	return row
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

// failure tells whether a row counts as a failure of the run.
func (p *pass) failure(row Row) bool {
	if row.Phase == v1alpha1.StepCancelled {
		return p.f.Stop != Cancel && !gone(row.Reason)
	}
	return row.Phase.Bad()
}

// leaveOut remembers that a row takes the target out of the rest of the run.
func (m *machine) leaveOut(row Row) {
	skipped := row.Phase == v1alpha1.StepSkipped && (row.Reason == v1alpha1.ReasonUnavailable || row.Reason == v1alpha1.ReasonCordoned)
	if skipped || row.Phase.IsTerminal() && gone(row.Reason) {
		m.out = row.Reason
	}
}

// gone tells whether a reason says that the target is no longer the run's.
func gone(reason string) bool {
	return reason == v1alpha1.ReasonTargetDeleted || reason == v1alpha1.ReasonTargetChanged
}

// sent tells whether something may have begun on the machine for this row.
func sent(row Row) bool {
	if !row.Phase.Begun() || row.Attempt == 0 {
		return false
	}
	switch row.Reason {
	case v1alpha1.ReasonUnavailable, v1alpha1.ReasonCordoned, v1alpha1.ReasonVariableMissing, v1alpha1.ReasonTransferFailed,
		v1alpha1.ReasonNotPrepared, v1alpha1.ReasonReleaseNotFound, v1alpha1.ReasonReleaseNotReady:
		return false
	default:
		return !untrusted(row.Reason)
	}
}
