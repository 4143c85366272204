package plan

import (
	"fmt"
	"strings"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
	"github.com/mantledeploy/mantle/controllers/internal/text"
)

// outcome returns how a run ended. Nothing is in flight and nothing may begin.
func (p *pass) outcome() *Outcome {
	switch {
	case len(p.machines) == 0:
		return p.noTargets()
	case p.v.Stop == Cancel && (p.stopped || p.tally.interrupted):
		return p.cancelled()
	case p.v.Stop == Supersede && p.stopped:
		return &Outcome{v1alpha1.RunSuperseded, v1alpha1.ReasonSuperseded, "superseded by another release; " + p.counts()}
	case p.failed:
		return &Outcome{v1alpha1.RunFailed, v1alpha1.ReasonFailed, p.firstFailure() + "; " + p.counts()}
	default:
		return p.succeeded()
	}
}

func (p *pass) noTargets() *Outcome {
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
	unresolved := p.tally.unresolved
	if len(unresolved) == 0 {
		return &Outcome{v1alpha1.RunCancelled, v1alpha1.ReasonCancelled, "the run was cancelled; " + p.counts()}
	}
	var names []string
	for _, c := range unresolved[:min(len(unresolved), 3)] {
		names = append(names, fmt.Sprintf("%s, %s", c.l.path, c.m.where(c.a)))
	}
	if more := len(unresolved) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return &Outcome{v1alpha1.RunAbandoned, v1alpha1.ReasonAbandoned,
		"the run was cancelled, but something may still be running: " + strings.Join(names, "; ") + "; " + p.counts()}
}

// succeeded returns how a run ended in which nothing failed.
func (p *pass) succeeded() *Outcome {
	n := p.tally.targets
	o := &Outcome{Phase: v1alpha1.RunSucceeded, Reason: v1alpha1.ReasonSucceeded}
	unavailable, cordoned := p.countExcluded(v1alpha1.ReasonUnavailable), p.countExcluded(v1alpha1.ReasonCordoned)
	switch {
	case n.Succeeded == n.Total:
		o.Message = fmt.Sprintf("all steps succeeded on %s", targets(n.Total))
	case n.Succeeded == 0 && unavailable+cordoned > 0:
		o.Phase = v1alpha1.RunSkipped
		o.Reason, o.Message = nothingDeployed(unavailable, cordoned)
	default:
		o.Message = fmt.Sprintf("all steps succeeded on %d of %s%s", n.Succeeded, targets(n.Total), p.notDeployed())
	}
	return o
}

// nothingDeployed returns why a run has deployed to no target.
func nothingDeployed(unavailable, cordoned int32) (reason, message string) {
	unreached := targets(unavailable) + " could not be reached"
	closed := fmt.Sprintf("%s %s cordoned", targets(cordoned), isAre(cordoned))
	later := "the release is deployed to them when "
	if unavailable+cordoned == 1 {
		later = "the release is deployed to it when "
	}
	switch {
	case cordoned == 0:
		return v1alpha1.ReasonUnavailable, "nothing was deployed: " + unreached + "; " + later + they(unavailable) + " reachable again"
	case unavailable == 0:
		return v1alpha1.ReasonCordoned, "nothing was deployed: " + closed + "; " + later + they(cordoned) + " no longer cordoned"
	default:
		return v1alpha1.ReasonUnavailable, "nothing was deployed: " + unreached + ", " + closed + "; " + later + "they are reachable again or no longer cordoned"
	}
}

// countExcluded counts the targets that are excluded from the rest of the run for a reason.
func (p *pass) countExcluded(reason string) (n int32) {
	for i := range p.machines {
		if p.machines[i].excludedFor == reason {
			n++
		}
	}
	return n
}

// notDeployed names the targets to which a successful run did not deploy, and why.
func (p *pass) notDeployed() string {
	by := map[string][]string{}
	for i := range p.machines {
		if s := p.machines[i].record.summary; s.Phase != v1alpha1.StepSucceeded {
			by[s.Reason] = append(by[s.Reason], p.machines[i].Name)
		}
	}
	var words strings.Builder
	for _, kind := range []struct{ reason, words string }{
		{v1alpha1.ReasonUnavailable, "not reached, deployed to later: "},
		{v1alpha1.ReasonCordoned, "cordoned, deployed to later: "},
		{v1alpha1.ReasonTargetDeleted, "deleted during the run: "},
		{v1alpha1.ReasonTargetChanged, "changed, or removed from the environment, during the run: "},
		{v1alpha1.ReasonRole, "addressed by no step: "},
		{v1alpha1.ReasonCondition, "no step had to run: "},
	} {
		if names := by[kind.reason]; len(names) > 0 {
			words.WriteString("; " + kind.words + text.Few(names))
		}
	}
	return words.String()
}

// firstFailure describes the first failure, and says how many more there are.
func (p *pass) firstFailure() string {
	all := p.tally.failures
	if len(all) == 0 {
		return "a step failed"
	}
	words := fmt.Sprintf("%s failed on %s: %s", all[0].l.path, all[0].m.Name, failureText(all[0].a))
	if more := len(all) - 1; more > 0 {
		words += fmt.Sprintf(" (and %d more)", more)
	}
	return words
}

// failureText says briefly how an action failed: what happened, and then the last line of its output.
func failureText(a *ledger.Attempt) string {
	lines := strings.Split(strings.TrimSpace(a.Message), "\n")
	first, last := lines[0], lastLine(lines)
	switch {
	case a.ExitCode != nil && (a.Reason == "" || a.Reason == v1alpha1.ReasonExitCode):
		return withLast(fmt.Sprintf("exit code %d", *a.ExitCode), last)
	case a.Reason == "" && a.Phase == v1alpha1.StepCancelled:
		return "it was cancelled because it took too long"
	case last == "":
		return a.Reason
	case a.Reason == v1alpha1.ReasonTimedOut && len(lines) > 1:
		return withLast(first, last)
	default:
		return text.Cut(last, 300)
	}
}

func withLast(what, line string) string {
	if line == "" {
		return what
	}
	return fmt.Sprintf("%s (last line: %s)", what, text.Cut(line, 200))
}

// counts says how many targets of an unsuccessful run succeeded, failed and so on.
func (p *pass) counts() string {
	n := p.tally.targets
	var parts []string
	for _, c := range []struct {
		n    int32
		text string
	}{
		{n.Succeeded, "succeeded"}, {n.Failed, "failed"}, {p.tally.cordoned, "cordoned"},
		{n.Skipped - p.tally.cordoned, "skipped or not finished"}, {n.Unreached, "not started or not reached"},
	} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.text))
		}
	}
	return fmt.Sprintf("of %s %s", targets(n.Total), strings.Join(parts, ", "))
}
