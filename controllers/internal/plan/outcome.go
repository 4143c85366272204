package plan

import (
	"fmt"
	"strings"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
	"github.com/mantledeploy/mantle/controllers/internal/text"
)

// outcome says how a run ended of which nothing is in flight and nothing may begin.
func (p *pass) outcome() *Outcome {
	switch {
	case len(p.machines) == 0:
		return p.nobody()
	case p.v.Stop == Cancel && (p.stopped || p.tally.interrupted):
		return p.cancelled()
	case p.v.Stop == Supersede && p.stopped:
		return &Outcome{v1alpha1.RunSuperseded, v1alpha1.ReasonSuperseded, "superseded by another release; " + p.howFar()}
	case p.failed:
		return &Outcome{v1alpha1.RunFailed, v1alpha1.ReasonFailed, p.blame() + "; " + p.howFar()}
	default:
		return p.succeeded()
	}
}

func (p *pass) nobody() *Outcome {
	switch {
	case p.v.Purpose == v1alpha1.PurposeConvergence:
		return &Outcome{v1alpha1.RunSucceeded, v1alpha1.ReasonNothingToDo, "every target has the release already"}
	case p.v.Settings.NoTargets == v1alpha1.NoTargetsSucceed:
		return &Outcome{v1alpha1.RunSucceeded, v1alpha1.ReasonNoTargets, "the environment has no target for the project; settings.noTargets is Succeed"}
	default:
		return &Outcome{v1alpha1.RunFailed, v1alpha1.ReasonNoTargets,
			"the environment has no target for the project: add a DeploymentTarget, or set settings.noTargets to Succeed"}
	}
}

func (p *pass) cancelled() *Outcome {
	left := p.tally.left
	if len(left) == 0 {
		return &Outcome{v1alpha1.RunCancelled, v1alpha1.ReasonCancelled, "the run was cancelled; " + p.howFar()}
	}
	var names []string
	for _, c := range left[:min(len(left), 3)] {
		names = append(names, fmt.Sprintf("%s, %s", c.l.path, c.m.where(c.a)))
	}
	if more := len(left) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return &Outcome{v1alpha1.RunAbandoned, v1alpha1.ReasonAbandoned,
		"the run was cancelled, but something may still be running: " + strings.Join(names, "; ") + "; " + p.howFar()}
}

// succeeded says how a run ended in which nothing failed.
func (p *pass) succeeded() *Outcome {
	n := p.tally.targets
	o := &Outcome{Phase: v1alpha1.RunSucceeded, Reason: v1alpha1.ReasonSucceeded}
	unavailable, cordoned := p.leftOut(v1alpha1.ReasonUnavailable), p.leftOut(v1alpha1.ReasonCordoned)
	switch {
	case n.Succeeded == n.Total:
		o.Message = fmt.Sprintf("all steps ended well on %s", targets(n.Total))
	case n.Succeeded == 0 && unavailable+cordoned > 0:
		o.Phase = v1alpha1.RunSkipped
		o.Reason, o.Message = nothingDeployed(unavailable, cordoned)
	default:
		o.Message = fmt.Sprintf("all steps ended well on %d of %s%s", n.Succeeded, targets(n.Total), p.others())
	}
	return o
}

// nothingDeployed says why a run has deployed to nobody.
func nothingDeployed(unavailable, cordoned int32) (reason, message string) {
	away := targets(unavailable) + " could not be reached"
	shut := fmt.Sprintf("%s %s cordoned", targets(cordoned), isAre(cordoned))
	later := "they are deployed to when "
	if unavailable+cordoned == 1 {
		later = "it is deployed to when "
	}
	switch {
	case cordoned == 0:
		return v1alpha1.ReasonUnavailable, "nothing was deployed: " + away + "; " + later + they(unavailable) + " back"
	case unavailable == 0:
		return v1alpha1.ReasonCordoned, "nothing was deployed: " + shut + "; " + later + they(cordoned) + " no longer cordoned"
	default:
		return v1alpha1.ReasonUnavailable, "nothing was deployed: " + away + ", " + shut + "; " + later + "they are back or no longer cordoned"
	}
}

// leftOut counts the targets that the run left out for a reason.
func (p *pass) leftOut(reason string) (n int32) {
	for i := range p.machines {
		if p.machines[i].left == reason {
			n++
		}
	}
	return n
}

// others says to which targets a run that succeeded did not deploy, and why.
func (p *pass) others() string {
	by := map[string][]string{}
	for i := range p.machines {
		if s := p.machines[i].record.standing; s.Phase != v1alpha1.StepSucceeded {
			by[s.Reason] = append(by[s.Reason], p.machines[i].Name)
		}
	}
	var words strings.Builder
	for _, kind := range []struct{ reason, words string }{
		{v1alpha1.ReasonUnavailable, "not reached, deployed to later: "},
		{v1alpha1.ReasonCordoned, "cordoned, deployed to later: "},
		{v1alpha1.ReasonTargetDeleted, "deleted meanwhile: "},
		{v1alpha1.ReasonTargetChanged, "changed, or taken out of the environment, meanwhile: "},
		{v1alpha1.ReasonRole, "addressed by no step: "},
		{v1alpha1.ReasonCondition, "for which no step was due: "},
	} {
		if names := by[kind.reason]; len(names) > 0 {
			words.WriteString("; " + kind.words + text.Few(names))
		}
	}
	return words.String()
}

// blame names the first failure, and how many there are.
func (p *pass) blame() string {
	all := p.tally.failures
	if len(all) == 0 {
		return "a step failed"
	}
	words := fmt.Sprintf("%s failed on %s: %s", all[0].l.path, all[0].m.Name, what(all[0].a))
	if more := len(all) - 1; more > 0 {
		words += fmt.Sprintf(" (and %d more)", more)
	}
	return words
}

// what says in a few words how an action failed.
func what(a *ledger.Attempt) string {
	switch {
	case a.ExitCode != nil && (a.Reason == "" || a.Reason == v1alpha1.ReasonExitCode):
		return fmt.Sprintf("exit code %d", *a.ExitCode)
	case a.Reason == "" && a.Phase == v1alpha1.StepCancelled:
		return "it was cancelled as it took too long"
	case a.Message == "":
		return a.Reason
	default:
		line, _, _ := strings.Cut(a.Message, "\n")
		return text.Cut(line, 300)
	}
}

// howFar says how far the targets of a run got that did not end well.
func (p *pass) howFar() string {
	n := p.tally.targets
	var parts []string
	for _, c := range []struct {
		n    int32
		text string
	}{
		{n.Succeeded, "ended well"}, {n.Failed, "failed"}, {p.tally.cordoned, "cordoned"},
		{n.Skipped - p.tally.cordoned, "left out or not finished"}, {n.Unreached, "not begun or not reached"},
	} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.text))
		}
	}
	return fmt.Sprintf("of %s %s", targets(n.Total), strings.Join(parts, ", "))
}
