package ledger

import (
	"math"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

const (
	// maxReason bounds the reason of an action, in bytes.
	maxReason = 32
	// maxMessage bounds the message of an action, in bytes.
	maxMessage = 1024
	// maxOutputs bounds the outputs of a slice, in bytes.
	maxOutputs = 64 << 10
	// maxSlice bounds targets and rows of a slice, in bytes of JSON; with metadata it stays under 256 KiB.
	maxSlice = 250 << 10
)

// perSlice returns how many targets a slice contains, for a process with this number of actions, so that it always
// stays under 256 KiB.
func perSlice(leaves int) int { return min(max(500/max(leaves, 1), 5), 100) }

// outputsRoom returns the room for outputs in a slice if every action has the largest row, in bytes.
func outputsRoom(part *v1alpha1.DeploymentRunSlice, leaves []v1alpha1.Leaf) int {
	reason := strings.Repeat("R", maxReason)
	long := &Attempt{Number: maxAttempts, Phase: v1alpha1.StepSucceeded, Sent: true, Answered: maxAttempts, StartTime: time.Now(), NextTime: time.Now(),
		ExitCode: new(int32(math.MinInt32)), Seconds: "1209600.0", Reason: reason,
		Log: &v1alpha1.ActionLog{Size: math.MaxInt32, Reason: v1alpha1.ReasonLogUnavailable}}
	now := metav1.Now()
	rows := sizeOf(v1alpha1.TargetResult{Phase: v1alpha1.StepSucceeded, Reason: reason, StartTime: &now, FinishTime: &now, OutputsCut: true})
	for _, leaf := range leaves {
		rows += sizeOf(toRow(leaf.Path, long)) + 1
	}
	room := maxSlice - sizeOf(part.Spec.Targets)
	for _, t := range part.Spec.Targets {
		room -= rows + sizeOf(t.Name) + len(`,"steps":[],"outputs":{},`)
	}
	return min(max(room, 0), maxOutputs)
}

// oneWord reduces a reason to letters and digits. The reason of a failure can come from the machine.
func oneWord(reason string) string {
	reason = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, reason)
	return reason[:min(len(reason), maxReason)]
}

// results returns the rows of a slice, by target and step. Rows and outputs always fit; messages are written while
// there is room.
func (l *Ledger) results(part int, summaries []TargetSummary) []v1alpha1.TargetResult {
	var results []v1alpha1.TargetResult
	var messages []string
	for t, in := range l.sliceOf {
		if in != part {
			continue
		}
		name := l.Targets[t].Name
		result := v1alpha1.TargetResult{Target: name}
		for i, a := range l.Attempts[t] {
			if a = a.row(); a != nil {
				result.Steps = append(result.Steps, toRow(l.Leaves[i].Path, a))
				messages = append(messages, a.Message)
			}
		}
		if len(result.Steps) == 0 {
			continue
		}
		if t < len(summaries) {
			s := summaries[t]
			result.Phase, result.Reason = s.Phase, s.Reason
			result.StartTime, result.FinishTime = stamp(s.StartTime), stamp(s.FinishTime)
		}
		result.Outputs, result.OutputsCut = l.Outputs.of(name)
		results = append(results, result)
	}
	l.addMessages(results, messages, maxSlice-sizeOf(l.slices[part].Spec.Targets)-sizeOf(results))
	return results
}

// addMessages sets the messages of the rows, in order, while there is room.
func (l *Ledger) addMessages(results []v1alpha1.TargetResult, messages []string, room int) {
	n := 0
	for i := range results {
		for j := range results[i].Steps {
			message := messages[n]
			n++
			if size := sizeOf(message) + len(`"message":,`); message != "" && size <= room {
				results[i].Steps[j].Message = message
				room -= size
			}
		}
	}
}
