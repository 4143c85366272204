package plan

import (
	"fmt"
	"strconv"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/text"
)

func targets(n int32) string {
	if n == 1 {
		return "1 target"
	}
	return fmt.Sprintf("%d targets", n)
}

func isAre(n int32) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func they(n int32) string {
	if n == 1 {
		return "it is"
	}
	return "they are"
}

// because returns an explanation in the form in which it is appended to a message; empty if there is none.
func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// explain joins a reason and a message.
func explain(reason, message string) string {
	switch {
	case message == "":
		return reason
	case reason == "":
		return message
	default:
		return reason + ": " + message
	}
}

// conditionMessage says why a child step did not run.
func conditionMessage(c v1alpha1.StepCondition) string {
	if c == v1alpha1.ConditionFailure {
		return "nothing has failed in the rolling step on this target"
	}
	return "an earlier child of the rolling step failed on this target"
}

// numbers lists a few process ids and counts the rest.
func numbers(pids []int) string {
	names := make([]string, 0, len(pids))
	for _, pid := range pids {
		names = append(names, strconv.Itoa(pid))
	}
	return text.Few(names)
}
