package ledger

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// maxAttempts bounds the number of an attempt that is read back.
const maxAttempts = 1000

// toRow returns an attempt's row in a slice without its message, for which there may be no room.
func toRow(name string, a *Attempt) v1alpha1.ActionStatus {
	return v1alpha1.ActionStatus{Name: name, Phase: a.Phase, Attempt: a.Number, Sent: a.Sent, Answered: a.Answered, StartTime: stamp(a.StartTime),
		NextTime: stamp(a.NextTime), ExitCode: a.ExitCode, Seconds: a.Seconds, Reason: a.Reason, Log: a.Log}
}

// fromRow returns the attempt of a row. The end time is computed from the start and the seconds.
func fromRow(row v1alpha1.ActionStatus) *Attempt {
	a := &Attempt{Number: min(max(row.Attempt, 0), maxAttempts), Phase: row.Phase, Sent: row.Sent, Answered: row.Answered, StartTime: timeOf(row.StartTime),
		NextTime: timeOf(row.NextTime), ExitCode: row.ExitCode, Seconds: row.Seconds, Reason: row.Reason, Message: row.Message, Log: row.Log, state: Recorded, resumed: row.Phase == v1alpha1.StepRunning}
	if a.Phase.IsTerminal() {
		a.state, a.EndTime = Stored, a.StartTime
		if took, err := time.ParseDuration(a.Seconds + "s"); err == nil && took > 0 {
			a.EndTime = a.StartTime.Add(took)
		}
		if a.Number == 0 {
			a.state = Acknowledged // it was never sent to a machine
		}
	}
	return a
}

func stamp(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t}
}

func timeOf(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}
