package plan

import "github.com/mantledeploy/mantle/api/v1alpha1"

// Evaluate decides what happens now and tells how far the run is. It is a function of the view alone and changes nothing
// of it. With the decision written into the attempts it decides nothing further on the same view, but for what it names
// in Cancel and GiveUp until the attempts show it.
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

// Completes tells of an action that is running or starts whether it completes the release on its target if it ends well:
// every step for the target went well so far, and no later one addresses it, but for steps that only run after a failure.
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
			case before && !wentWell(s, l, m.attempts[l.index]):
				return false
			case !before && s.condition != v1alpha1.ConditionFailure && l.condition != v1alpha1.ConditionFailure:
				return false
			}
		}
	}
	return addressed
}
