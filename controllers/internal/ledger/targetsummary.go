package ledger

import (
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// TargetSummary is the result of a run on one target so far.
type TargetSummary struct {
	// Phase is Succeeded only if every step for the target succeeded, or correctly did not run because of its condition;
	// Skipped if nothing was sent to the target; Cancelled if something was sent and a step was missed.
	Phase v1alpha1.StepPhase
	// Reason is one word if the run did not succeed on the target.
	Reason string
	// StartTime of its first action and FinishTime of its last; zero when not known.
	StartTime, FinishTime time.Time
}
