package ledger

import (
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Standing is what a run has done to one target so far.
type Standing struct {
	// Phase is Succeeded only when every step for the target ended well or was rightly passed over; Skipped when nothing
	// was sent to it; Cancelled when something was sent and a step was missed.
	Phase v1alpha1.StepPhase
	// Reason in one word, where it did not succeed.
	Reason string
	// StartTime of its first action and FinishTime of its last; zero when not known.
	StartTime, FinishTime time.Time
}
