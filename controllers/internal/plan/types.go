package plan

import (
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
)

// DefaultCancelDeadline is how long a cancelled action may take to end before it is given up.
const DefaultCancelDeadline = 2 * time.Minute

// View is all that a decision depends on.
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
	// Attempts are the newest attempts by index of target and leaf, the leaves as v1alpha1.Leaves(Steps) gives them; nil
	// where an action has no row. An attempt that has ended is final. Attempts of a step that does not address the target
	// are ignored.
	Attempts [][]*ledger.Attempt
	// Stop asks the run to end early, StopSince is when that was first seen.
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
	// Availability at this moment. It matters at the target's turn and while something is in flight.
	Availability Availability
	// Reason and Message of an availability that is not Available, as the target's conditions say it.
	Reason, Message string
	// RetryDuration is how long an action is tried to be sent. It is only used in messages, as Unsent's tried.
	RetryDuration time.Duration
	// Host is the address of the machine now. It is only used in messages.
	Host string
}

// Availability is whether a target can take its turn.
type Availability string

// The availabilities. The empty one means Available, an unknown one Unavailable.
const (
	// Available targets are reachable and trusted, or their health is not known yet.
	Available Availability = "Available"
	// Unavailable targets could not be reached when that was last tried.
	Unavailable Availability = "Unavailable"
	// Cordoned targets are kept out by a person.
	Cordoned Availability = "Cordoned"
	// Untrusted targets presented another certificate, have no pin, or do not trust the operator.
	Untrusted Availability = "Untrusted"
	// Full targets hold as many projects as a target can.
	Full Availability = "Full"
	// Left targets are no longer in the run's environment. They take no further turn, and finish the step that they are in.
	Left Availability = "Left"
	// Deleted targets are gone, or were made again under another UID.
	Deleted Availability = "Deleted"
	// Changed targets have another pin than when the run began.
	Changed Availability = "Changed"
)

// Stop says that the run must not go on.
type Stop string

// The ways to stop. The empty one means go on.
const (
	// Cancel ends running scripts and begins nothing.
	Cancel Stop = "Cancel"
	// Supersede lets no further target begin.
	Supersede Stop = "Supersede"
)

// Key names one action by the index of its target in View.Targets and of its leaf in v1alpha1.Leaves(View.Steps).
type Key = ledger.Key

// Evaluation is what a view means: what happens next, and how far the run is once that has happened.
type Evaluation struct {
	Decision
	Summary

	pass *pass
}

// Decision is what must happen now, in this order: what ends is written, what starts is written and then sent, what is
// cancelled or given up is told so.
type Decision struct {
	// Start are the actions to begin, by step and target name.
	Start []Start
	// End are actions that end without a script, or are given up.
	End []End
	// Cancel are running actions that the machine must end, each named until its attempt has a CancelTime.
	Cancel []Key
	// GiveUp are running actions that wait for too long to be sent, each named until it has ended or was sent.
	GiveUp []Key
	// Outcome is set when the run is over: nothing is in flight and nothing may begin.
	Outcome *Outcome
	// Wake is when to evaluate again though nothing was reported; 0 means only when something is.
	Wake time.Duration
	// Notes say why, in order; at most 500.
	Notes []string
}

// Start says that an action must be written as Running and then sent.
type Start struct {
	Key
	// Attempt is the number of the attempt, from 1.
	Attempt int32
	// Final is what Evaluation.Completes says of the action.
	Final bool
	// Away says that the target is believed to be away at its turn: it is tried to be reached once, and nothing is
	// sent. Unsent says what comes of that, or else the target is Available and the action starts anew.
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
	// Reason is a reason of v1alpha1, Message a sentence or two for people.
	Reason, Message string
}

// Summary is what a run's status says.
type Summary struct {
	// Targets counts them; every target is in exactly one of its counts but Total.
	Targets v1alpha1.RunTargetCounts
	// Steps has a row for each leaf of the process, in order.
	Steps []v1alpha1.RunStepStatus
	// Failures are the first 20 actions that failed, in the order in which they ended.
	Failures []v1alpha1.RunFailure // whose Log is relative to that of the run
	// Progress is on how many targets the run has ended, of how many, without those that were skipped: "3/5".
	Progress string
	// CurrentStep is the furthest leaf that is running in the first step that is not over, and on how many targets it is
	// done: "web/smoke (2/5)". It is empty when all are over.
	CurrentStep string
	// Results are what the run did to each target, by index.
	Results []ledger.Standing
	// Waits are for what running actions wait, at most 20, by step and target name; those that are only being prepared
	// come last.
	Waits []Wait
	// Waiting is how many running actions wait, without those that are only being prepared.
	Waiting int32
}

// Wait says that something cannot begin or go on yet: a run, or an action of it.
type Wait struct {
	// Phase of the run meanwhile. Of an action's it is Running, or Waiting where everything that is in flight waits.
	Phase v1alpha1.RunPhase
	// Reason is a reason of v1alpha1, Message says in a sentence what is waited for.
	Reason, Message string
	// Stalled says that a person is needed.
	Stalled bool
	// Again is when to look again though nothing was reported; 0 means only when something is.
	Again time.Duration
}
