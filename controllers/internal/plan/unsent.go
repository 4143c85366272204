package plan

import (
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Unsent returns how an action ends whose machine could not be reached. tried is for how long that was tried; 0 if it
// is not known. The reason and message are those of the last attempt. sentBefore says whether the run has sent anything
// to the target. If it has not, and settings.unavailableTargets is not Fail, the target is skipped for the whole run.
// Otherwise the action has failed.
func Unsent(settings v1alpha1.ProjectSettings, sentBefore bool, tried time.Duration, reason, message string) (phase v1alpha1.StepPhase, why, text string) {
	text = "the target could not be reached"
	if tried > 0 {
		text += fmt.Sprintf(" within %s", tried)
	}
	return unavailableResult(settings, sentBefore, v1alpha1.ReasonUnavailable, text+because(explain(reason, message)))
}

// unavailableResult returns how the turn of a target ends that cannot be reached or is cordoned.
func unavailableResult(settings v1alpha1.ProjectSettings, begun bool, reason, message string) (phase v1alpha1.StepPhase, why, text string) {
	switch {
	case begun:
		return v1alpha1.StepFailed, reason, message + " (the run had already started on it)"
	case settings.UnavailableTargets == v1alpha1.UnavailableFail:
		return v1alpha1.StepFailed, reason, message
	default:
		return v1alpha1.StepSkipped, reason, message
	}
}

// Where names a machine and processes on it, for a message.
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
