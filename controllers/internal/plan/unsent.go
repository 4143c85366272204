package plan

import (
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Unsent is how an action ends that could not be sent, as its machine could not be reached for as long as tried says; 0
// where that is not known. The reason and message are those of the last try; sentBefore says whether the run has sent
// anything to the target. Where it has not, the target is skipped for the whole run unless settings.unavailableTargets
// says Fail. Otherwise the action failed.
func Unsent(settings v1alpha1.ProjectSettings, sentBefore bool, tried time.Duration, reason, message string) (phase v1alpha1.StepPhase, why, text string) {
	text = "the target could not be reached"
	if tried > 0 {
		text += fmt.Sprintf(" within %s", tried)
	}
	return missed(settings, sentBefore, v1alpha1.ReasonUnavailable, text+because(explain(reason, message)))
}

// missed is how the turn of a target ends that cannot be reached or is cordoned.
func missed(settings v1alpha1.ProjectSettings, begun bool, reason, message string) (phase v1alpha1.StepPhase, why, text string) {
	switch {
	case begun:
		return v1alpha1.StepFailed, reason, message + " (the run had begun on it)"
	case settings.UnavailableTargets == v1alpha1.UnavailableFail:
		return v1alpha1.StepFailed, reason, message
	default:
		return v1alpha1.StepSkipped, reason, message
	}
}

// Where names a machine and the processes there, for a person who has to look.
func Where(target, host string, pids []int) string {
	if host != "" {
		target = fmt.Sprintf("%s (%s)", target, host)
	}
	switch len(pids) {
	case 0:
		return target
	case 1:
		return fmt.Sprintf("process %d on %s", pids[0], target)
	default:
		return fmt.Sprintf("processes %s on %s", numbers(pids), target)
	}
}
