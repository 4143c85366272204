package plan

import (
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
)

// DefaultCancelDeadline is how long a cancelled action may take to end before it is abandoned.
const DefaultCancelDeadline = 2 * time.Minute

// View contains everything that a decision depends on.
type View struct {
	// Now is the time of the decision.
	Now time.Time
	// Steps are the frozen process.
	Steps []v1alpha1.Step
	// Settings are the frozen settings.
	Settings v1alpha1.ProjectSettings
	// Purpose of the run.
	Purpose v1alpha1.RunPurpose
	// Targets are the run's fixed set, by name. With none, a Convergence has nothing to do, and a Rollout ends as
	// settings.noTargets says.
	Targets []Target
	// Attempts are the newest attempts, by index of target and leaf; the leaves are v1alpha1.Leaves(Steps). An attempt is
	// nil if the action has no row. An attempt that has ended is final. Attempts of a step that does not address the
	// target are ignored.
	Attempts [][]*ledger.Attempt
	// Stop says that the run must end early, StopSince when that was first seen.
	Stop      Stop
	StopSince time.Time
	// CancelDeadline is how long a cancelled action may take to end; 0 means DefaultCancelDeadline.
	CancelDeadline time.Duration
}

// Target is one machine of the run's fixed set, as it is now.
type Target struct {
	// Name of the DeploymentTarget.
	Name string
	// Steps are the indexes of the top-level steps that address the target, in order, each once. They are fixed with the
	// set of targets.
	Steps []int32
	// Availability is used at the target's turn and while something is in flight.
	Availability Availability
	// Reason and Message are from the target's conditions, if it is not Available.
	Reason, Message string
	// RetryDuration is how long sending an action is retried. It is only used in messages.
	RetryDuration time.Duration
	// Host is the address of the machine now. It is only used in messages.
	Host string
}

// Availability says whether actions can start on a target.
type Availability string

// The values of Availability. Empty means Available, an unknown value means Unavailable.
const (
	// Available targets are reachable and trusted, or their health is not known yet.
	Available Availability = "Available"
	// Unavailable targets could not be reached at the last attempt.
	Unavailable Availability = "Unavailable"
	// Cordoned targets are excluded by their spec.cordoned.
	Cordoned Availability = "Cordoned"
	// Untrusted targets presented another certificate, have no pinned thumbprint, or do not trust the operator.
	Untrusted Availability = "Untrusted"
	// Full targets have reached the limit of projects.
	Full Availability = "Full"
	// Left targets are no longer in the run's environment. They finish their current step and begin no other.
	Left Availability = "Left"
	// Deleted targets do not exist, or were recreated with another UID.
	Deleted Availability = "Deleted"
	// Changed targets have another thumbprint than when the run began.
	Changed Availability = "Changed"
)

// Stop says that the run must end early.
type Stop string

// The values of Stop. Empty means that the run continues.
const (
	// Cancel ends running scripts and begins nothing.
	Cancel Stop = "Cancel"
	// Supersede begins nothing on further targets.
	Supersede Stop = "Supersede"
)

// Key names one action by the index of its target in View.Targets and of its leaf in v1alpha1.Leaves(View.Steps).
type Key = ledger.Key

// Evaluation is the result of Evaluate: what happens next, and the run's status after that.
type Evaluation struct {
	Decision
	Summary

	pass *pass
}

// Decision is what must happen now, in this order: write what ends, write and then send what starts, and tell the
// dispatcher what to cancel and to give up.
type Decision struct {
	// Start are the actions to start, by step and target name.
	Start []Start
	// End are actions that end without a script, or are given up.
	End []End
	// Cancel are running actions that the machine must end, each named until its attempt has a CancelTime.
	Cancel []Key
	// GiveUp are running actions that have waited too long to be sent, each named until it has ended or was sent.
	GiveUp []Key
	// Outcome is set when the run is over: nothing is in flight and nothing may begin.
	Outcome *Outcome
	// Wake is when to evaluate again if nothing is reported; 0 means never.
	Wake time.Duration
	// Notes explain the decisions, in order; at most 500.
	Notes []string
}

// Start says that an action must be written as Running and then sent.
type Start struct {
	Key
	// Attempt is the number of the attempt, from 1.
	Attempt int32
	// Final is the result of Evaluation.Completes for the action.
	Final bool
	// Away is true if the target is believed to be unreachable at its turn: one connection is tried, and nothing is sent.
	// Unsent gives the result if that fails; otherwise the target is Available and the action starts anew.
	Away bool
}

// End says that an action ends without a result of its own.
type End struct {
	Key
	Phase           v1alpha1.StepPhase
	Reason, Message string
}

// Outcome is how the run ended.
type Outcome struct {
	Phase v1alpha1.RunPhase
	// Reason is a reason of v1alpha1; Message is one sentence or two.
	Reason, Message string
}

// Summary is the content of a run's status.
type Summary struct {
	// Targets are the numbers of targets by result; every target is in Total and in exactly one other number.
	Targets v1alpha1.RunTargetCounts
	// Steps has a row for each leaf of the process, in order.
	Steps []v1alpha1.RunStepStatus
	// Failures are the first 20 actions that failed, in the order in which they ended.
	Failures []v1alpha1.RunFailure // whose Log is relative to that of the run
	// Progress is the number of targets on which the run has ended, without skipped ones, of all targets: "3/5".
	Progress string
	// CurrentStep is the last running leaf of the first step that is not over, and on how many targets it has succeeded:
	// "web/smoke (2/5)". It is empty when all steps are over.
	CurrentStep string
	// Results are the results on each target, by index.
	Results []ledger.TargetSummary
	// Waits are what running actions wait for, at most 20, by step and target name; actions that are being prepared come
	// last.
	Waits []Wait
	// Waiting is the number of running actions that wait, without those that are being prepared.
	Waiting int32
}

// Wait says that a run, or one of its actions, cannot begin or continue yet.
type Wait struct {
	// Phase is the run's phase. If an action waits it is Running, or Waiting if everything in flight waits.
	Phase v1alpha1.RunPhase
	// Reason is a reason of v1alpha1; Message is a sentence that says what is waited for.
	Reason, Message string
	// Stalled is true if the wait does not end without a user's action.
	Stalled bool
	// Again is when to check again if nothing is reported; 0 means never.
	Again time.Duration
}
