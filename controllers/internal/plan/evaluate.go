package plan

import "github.com/mantledeploy/mantle/api/v1alpha1"

// Evaluate decides what happens now and summarises the run. It depends on the view alone and does not change it. With
// the decision written into the attempts it decides nothing further on the same view; only Cancel and GiveUp are
// repeated until the attempts show them.
func Evaluate(v View) Evaluation {
	p := newPass(v)
	p.watchAll()
	p.ended = p.advanceAll() && p.running == 0
	p.tallyAll()
	if p.ended {
		p.d.Outcome = p.outcome()
		p.d.Wake = 0
	}
	return Evaluation{Decision: p.d, Summary: p.summary(), pass: p}
}

// Completes reports whether a running or starting action completes the release on its target if it succeeds: every step
// for the target has succeeded so far, and no later step addresses it, except steps that only run after a failure.
func (e Evaluation) Completes(k Key) bool {
	p := e.pass
	if p == nil || k.Target < 0 || k.Target >= len(p.machines) || k.Leaf < 0 || k.Leaf >= len(p.leaves) {
		return false
	}
	return p.completes(&p.machines[k.Target], p.leaves[k.Leaf])
}

func (p *pass) completes(m *machine, of leaf) bool {
	before, addressed := true, false
	for _, s := range m.steps {
		for _, l := range s.leaves {
			switch {
			case l.index == of.index:
				if s.condition == v1alpha1.ConditionFailure {
					return false
				}
				before, addressed = false, true
			case before && !countsAsSuccess(s, l, m.attempts[l.index]):
				return false
			case !before && s.condition != v1alpha1.ConditionFailure && l.condition != v1alpha1.ConditionFailure:
				return false
			}
		}
	}
	return addressed
}
