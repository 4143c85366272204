package plan

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// maxNamed bounds how many targets a message names.
const maxNamed = 5

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

// some lists a few names and counts the rest.
func some(names []string) string {
	if len(names) <= maxNamed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), len(names)-maxNamed)
}

// because appends an explanation where there is one.
func because(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
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

// conditionMessage says why a child step was passed over.
func conditionMessage(c v1alpha1.StepCondition) string {
	if c == v1alpha1.ConditionFailure {
		return "nothing has failed in the rolling step on this target"
	}
	return "an earlier child of the rolling step failed on this target"
}

// cut shortens a text to at most n bytes, at a character's border.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "")
}

// numbers lists a few process ids and counts the rest.
func numbers(pids []int) string {
	names := make([]string, 0, len(pids))
	for _, pid := range pids {
		names = append(names, strconv.Itoa(pid))
	}
	return some(names)
}
