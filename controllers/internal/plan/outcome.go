package plan

import (
	"fmt"
	"strings"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// outcome says how a run ended of which nothing is in flight and nothing may begin.
func (p *pass) outcome() *Outcome {
	if len(p.machines) == 0 {
		return p.nobody()
	}
	switch {
	case p.f.Stop == Cancel && (p.kept || p.interrupted()):
		return p.cancelled()
	case p.f.Stop == Supersede && p.kept:
		return &Outcome{Phase: v1alpha1.RunSuperseded, Reason: v1alpha1.ReasonSuperseded,
			Message: "another release is wished now; " + p.tally()}
	case p.failed:
		return &Outcome{Phase: v1alpha1.RunFailed, Reason: v1alpha1.ReasonFailed, Message: p.blame() + "; " + p.tally()}
	default:
		return p.succeeded()
	}
}

func (p *pass) nobody() *Outcome {
	switch {
	case p.f.Purpose == v1alpha1.PurposeConvergence:
		return &Outcome{v1alpha1.RunSucceeded, v1alpha1.ReasonNothingToDo, "every target has the release already"}
	case p.f.Settings.NoTargets == v1alpha1.NoTargetsSucceed:
		return &Outcome{v1alpha1.RunSucceeded, v1alpha1.ReasonNoTargets, "the environment has no target for the project; settings.noTargets is Succeed"}
	default:
		return &Outcome{v1alpha1.RunFailed, v1alpha1.ReasonNoTargets,
			"the environment has no target for the project: add a DeploymentTarget, or set settings.noTargets to Succeed"}
	}
}

// interrupted tells whether a cancel ended something, or may have.
func (p *pass) interrupted() bool {
	for k := range p.f.Rows {
		row := p.row(k)
		switch row.Phase {
		case v1alpha1.StepCancelled, v1alpha1.StepAbandoned, v1alpha1.StepLost:
			return true
		default:
			if row.CancelSent && row.Phase != v1alpha1.StepSucceeded {
				return true
			}
		}
	}
	return false
}

func (p *pass) cancelled() *Outcome {
	left := p.rowsWhere(func(row Row) bool { return row.Phase == v1alpha1.StepAbandoned || row.Phase == v1alpha1.StepLost })
	if len(left) == 0 {
		return &Outcome{v1alpha1.RunCancelled, v1alpha1.ReasonCancelled, "the run was cancelled; " + p.tally()}
	}
	var names []string
	for _, at := range left {
		if len(names) == 3 {
			names = append(names, fmt.Sprintf("and %d more", len(left)-3))
			break
		}
		names = append(names, fmt.Sprintf("%s, %s", at.Step, Where(at.Target, at.row)))
	}
	return &Outcome{v1alpha1.RunAbandoned, v1alpha1.ReasonAbandoned,
		"the run was cancelled, but something may still be running: " + strings.Join(names, "; ") + "; " + p.tally()}
}

func (p *pass) succeeded() *Outcome {
	n := p.counts()
	o := &Outcome{Phase: v1alpha1.RunSucceeded, Reason: v1alpha1.ReasonSucceeded}
	away := "they are deployed to when they are back"
	switch {
	case n.Succeeded == n.Total:
		o.Message = fmt.Sprintf("all steps ended well on %s", targets(n.Total))
	case n.Succeeded == 0 && p.leftOut() > 0:
		o.Reason = v1alpha1.ReasonUnavailable
		o.Message = fmt.Sprintf("nothing was deployed: %s could not be reached or %s cordoned; %s", targets(n.Total), isAre(n.Total), away)
	default:
		o.Message = fmt.Sprintf("all steps ended well on %d of %s; %s", n.Succeeded, targets(n.Total), p.others())
	}
	return o
}

// leftOut counts the targets that were away or cordoned at their turn.
func (p *pass) leftOut() (n int32) {
	for _, m := range p.machines {
		if m.out == v1alpha1.ReasonUnavailable || m.out == v1alpha1.ReasonCordoned {
			n++
		}
	}
	return n
}

// others says which targets a run that succeeded did not deploy to, and why.
func (p *pass) others() string {
	by := map[string][]string{}
	for _, m := range p.machines {
		if r := p.result(m); r.Phase != v1alpha1.StepSucceeded {
			by[r.Reason] = append(by[r.Reason], m.Name)
		}
	}
	var parts []string
	for _, kind := range []struct{ reason, text string }{
		{v1alpha1.ReasonUnavailable, "not reached, deployed to later: "},
		{v1alpha1.ReasonCordoned, "cordoned, deployed to later: "},
		{v1alpha1.ReasonTargetDeleted, "deleted meanwhile: "},
		{v1alpha1.ReasonTargetChanged, "given another thumbprint meanwhile: "},
		{v1alpha1.ReasonStopped, "given a role too late for a step: "},
		{v1alpha1.ReasonRole, "addressed by no step: "},
		{v1alpha1.ReasonCondition, "for which no step was due: "},
	} {
		if names := by[kind.reason]; len(names) > 0 {
			parts = append(parts, kind.text+some(names))
		}
	}
	return strings.Join(parts, "; ")
}

// blame names the first failure, and how many there are.
func (p *pass) blame() string {
	all := p.rowsWhere(p.failure)
	if len(all) == 0 {
		return "a step failed"
	}
	first := all[0]
	text := fmt.Sprintf("%s failed on %s: %s", first.Step, first.Target, what(first.row))
	if more := len(all) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// what says in a few words how an action failed.
func what(row Row) string {
	switch {
	case row.ExitCode != nil && (row.Reason == "" || row.Reason == v1alpha1.ReasonExitCode):
		return fmt.Sprintf("exit code %d", *row.ExitCode)
	case row.Reason == "" && row.Phase == v1alpha1.StepCancelled:
		return "it was cancelled as it took too long"
	case row.Message == "":
		return row.Reason
	default:
		line, _, _ := strings.Cut(row.Message, "\n")
		return cut(line, 300)
	}
}

// tally says how far the targets of a run got that did not end well.
func (p *pass) tally() string {
	n := p.counts()
	parts := []string{fmt.Sprintf("of %s", targets(n.Total))}
	for _, c := range []struct {
		n    int32
		text string
	}{
		{n.Succeeded, "ended well"}, {n.Failed, "failed"},
		{n.Skipped, "left out or not finished"}, {n.Unreached, "not begun or not reached"},
	} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.text))
		}
	}
	return parts[0] + " " + strings.Join(parts[1:], ", ")
}
