package plan

import (
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// cancelGrace is how long after a step's timeout the operator waits for the machine to enforce it by itself.
const cancelGrace = 30 * time.Second

// DefaultCancelDeadline is how long a cancelled action may take to end before it is given up.
const DefaultCancelDeadline = 2 * time.Minute

// maxNotes bounds the notes of one decision.
const maxNotes = 500

// Key names one action: a leaf step on a target.
type Key struct {
	// Target is the name of the DeploymentTarget.
	Target string
	// Step is a leaf's path: "step" or "parent/child", as v1alpha1.Leaves gives it.
	Step string
}

// Availability is whether a target can take its turn.
type Availability string

// The availabilities. The empty one means Available, an unknown one Unavailable.
const (
	// Available targets are reachable and trusted, or nobody has looked yet.
	Available Availability = "Available"
	// Unavailable targets cannot be reached.
	Unavailable Availability = "Unavailable"
	// Cordoned targets are kept out by a person.
	Cordoned Availability = "Cordoned"
	// Untrusted targets presented another certificate, have no pin, or do not trust the operator.
	Untrusted Availability = "Untrusted"
	// Full targets hold as many projects as a target can.
	Full Availability = "Full"
	// Deleted targets are gone, or were made again under another UID.
	Deleted Availability = "Deleted"
	// Changed targets have another pin than when the run began.
	Changed Availability = "Changed"
)

// Target is one machine of the run's fixed set, as it is now.
type Target struct {
	// Name of the DeploymentTarget. Targets go by name.
	Name string
	// Roles of the target; a step addresses it by them.
	Roles []v1alpha1.Role
	// Availability at this moment. It matters at the target's turn and while something is in flight.
	Availability Availability
	// Reason and Message of an availability that is not Available, as the target's conditions say it.
	Reason, Message string
	// RetryDuration is how long sending an action is tried. It only appears in messages.
	RetryDuration time.Duration
}

// Row is what is known of one action: what its slice holds, and what its session reported since.
type Row struct {
	// Phase of the action. A row with no phase, or Pending, has not begun.
	Phase v1alpha1.StepPhase
	// Attempt from 1; 0 when nothing was started.
	Attempt int32
	// StartTime is when it was written as Running, EndTime when its end was known.
	StartTime, EndTime time.Time
	// Begun is when its process started on the machine, as reported; zero while that is not known.
	Begun time.Time
	// CancelSent is true once this process has asked the machine to end it.
	CancelSent bool
	// CancelTime is when that was; where it is zero, the time at which it was due counts.
	CancelTime time.Time
	// Reason in one word and Message, where it did not succeed.
	Reason, Message string
	// ExitCode of the script, when it ended.
	ExitCode *int32
	// Host is the address of the machine, Pid the process there (0 when not known).
	Host string
	Pid  int
}

// Stop says that the run shall not go on.
type Stop string

// The ways to stop. The empty one means go on.
const (
	// Cancel ends running scripts and begins nothing.
	Cancel Stop = "Cancel"
	// Supersede lets no further target begin.
	Supersede Stop = "Supersede"
)

// Facts are all that a decision depends on.
type Facts struct {
	// Now is the time of the decision.
	Now time.Time
	// Steps are the frozen process.
	Steps []v1alpha1.Step
	// Settings are the frozen settings.
	Settings v1alpha1.ProjectSettings
	// Targets are the run's fixed set, in any order. With none, a Convergence has nothing to do, and a Rollout ends as
	// settings.noTargets says; so a Rollout whose desired targets all have the release by now is not for Next.
	Targets []Target
	// Rows by action. Rows of unknown targets or steps are ignored. A row that has ended is final: a report that comes
	// after it is not written over it.
	Rows map[Key]Row
	// Held are actions that could not begin though Next decided it. They count as not begun in a summary; Next shall be
	// given none, so that it decides it again.
	Held map[Key]time.Time
	// Stop is the wish to end early, StopSince when it was first seen.
	Stop      Stop
	StopSince time.Time
	// CancelDeadline is how long a cancelled action may take to end; 0 means two minutes.
	CancelDeadline time.Duration
	// Purpose of the run.
	Purpose v1alpha1.RunPurpose
}

// Start says that an action shall be written as Running and then sent.
type Start struct {
	Key
	// Attempt of it, from 1.
	Attempt int32
	// Final is true when this action completes the release on the target: every step for it went well so far, and no
	// later one addresses it, but for steps that only run after a failure.
	Final bool
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

// Decision is what shall happen now, in this order: what ends is written, what starts is written and then sent, what
// is cancelled is told so.
type Decision struct {
	// Start are the actions to begin, by step and target name.
	Start []Start
	// End are rows that end without a script, or are given up.
	End []End
	// Cancel are running actions that the machine shall end, each named once until CancelSent is set.
	Cancel []Key
	// Outcome is set when the run is over: nothing is in flight and nothing may begin.
	Outcome *Outcome
	// Wake is when to look again though nothing was reported; 0 means only when something is.
	Wake time.Duration
	// Notes say in words why, in order; at most 500.
	Notes []string
}

// conditionHolds tells whether a step with this condition runs, given whether something has failed before.
func conditionHolds(c v1alpha1.StepCondition, failed bool) bool {
	switch c {
	case v1alpha1.ConditionAlways:
		return true
	case v1alpha1.ConditionFailure:
		return failed
	default:
		return !failed
	}
}
