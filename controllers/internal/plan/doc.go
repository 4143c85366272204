// Package plan decides what a deployment run does next. It is pure: time is a value in the view, and there is no client,
// context, clock or logger.
//
// Fill a View from the release's frozen process, the run's fixed set of targets and the attempts of the ledger, call
// Evaluate, carry out the Decision (write what starts and ends into the attempts, store them, then send), and call
// Evaluate again when an attempt, a target or the stop has changed, or after Wake. A decision is complete: with its
// starts and ends written into the attempts, Evaluate decides nothing further on the same view. The Summary is the
// run's status for the same view, after the decision is carried out. An evaluation reads each pair of target and leaf a
// fixed number of times.
//
// # Addressing
//
// Which top-level steps address a target is fixed with the run's set of targets (Target.Steps). A role, label or
// parameter that changes later does not change what runs where.
//
// # Order
//
// Top-level steps run one after the other, each on the targets that it addresses, in the order of their names. A step
// is over when none of its targets is in flight and none may begin; only then the next step begins. A plain step has
// all its targets in flight at once, a rolling step one, unless it has a window. The window slides: when one target
// finishes, the next one begins. A percentage is of the targets that the step addresses; it is rounded up and is at
// least 1. A target has begun a rolling step when its first child has a row. It then finishes the children. A child's
// condition depends only on what happened to this target in this rolling step.
//
// After a failure nothing further begins, except top-level steps with condition Failure or Always. These run at their
// place in the process, on all their targets, even if one of the targets fails in them. A condition depends on the
// steps before, so a skipped Failure step does not run for a later failure. After a supersede no further target begins;
// targets in flight finish their step. A cancel skips what has not begun, children included, and ends running scripts.
//
// # Sent
//
// Attempt.Sent, which the dispatcher sets, says whether anything was sent to a machine; it is not derived from a
// reason. A target has begun when something was sent to it in this run. If a child of a rolling step fails on a target
// before anything of that step was sent to it, none of the other children runs there, whatever their conditions: there
// is nothing to clean up. A target to which nothing was sent ends as Skipped or Failed, never as Succeeded or
// Cancelled.
//
// # A target's turn
//
// A target's turn is its first action in a top-level step. If the target is cordoned then, settings.unavailableTargets
// says whether it fails or is skipped for the whole run; one that has begun always fails. Unsent applies the same rule
// to an action whose machine could not be reached within the policy's retry duration, as the dispatcher reports. A
// target that is unavailable at its turn may be reachable again: one connection is tried (Start.Away), and Unsent gives
// the result if that fails. Between the children of a rolling step a target that cannot be reached is not given up at
// once, because a child may have rebooted it: its next child is tried. Untrusted targets and those with too many
// projects always fail, each with its own reason. Cordoned targets have their own reason and message too.
//
// A target that was deleted, or whose thumbprint was changed, no longer belongs to the run. Its action in flight ends
// at once as Cancelled with reason TargetDeleted or TargetChanged and a message that names the host if anything was
// sent there; the rest is skipped. Neither is a failure.
//
// A target that is removed from the run's environment has no further turn: it finishes its current step, with all
// children of a rolling one, and the first step after that is Skipped with reason TargetChanged. That is not a failure
// either.
//
// # Waiting
//
// An action is Running from the time its row is written. Until it is sent it is in flight, keeps its place in the
// window, and its reason says what it waits for. A running action with a reason is one of the Summary's Waits: it is
// not sent yet, waits for other scripts on its machine, or cannot be followed because the machine cannot be reached.
// The run itself is Waiting if everything in flight waits.
//
// An action that is not sent within an hour of being written is in GiveUp, and ends as Failed with the reason for which
// it waits, unless it is sent in the meantime. If the run is superseded, the next run waits for it: then the action is
// given up one minute after the supersede, or after being written if that was later.
//
// # Time limits
//
// A sent action is cancelled 30 s after its timeout, counted from the start of its process. While that start is not
// known (the machine is busy with another script, or cannot be reached) the timeout counts twice, from when the action
// was sent, because waiting may take the same time again. An action that has not ended at the cancel deadline is
// Abandoned, or Lost if the machine cannot be reached. An action that was cancelled although the run was not cancelled
// counts as a failure.
//
// # What has a row
//
// An action has a row when it was started, when it failed or was skipped at its turn, and when a child's condition did
// not hold. There are no rows for steps that do not address a target, nor for what did not begin because of a failure,
// a cancel or a supersede: 5,000 targets that did not begin need no storage, and the summary reports each of them. A
// target that began and then missed a step in this way is Cancelled with reason Stopped, Cancelled or Superseded, so
// that it does not count as having the release; it counts as skipped. A target that did not begin counts as unreached.
//
// # When every target was skipped
//
// A run that deployed to no target, because they were unavailable or cordoned and unavailableTargets is Skip, ends
// Skipped with reason Unavailable, or Cordoned if all were, progress 0/n and a message that nothing was deployed. It
// does not end Failed: that would hold the binding, and the machines would not converge when they are reachable again,
// as Skip promises. It does not end Succeeded: a user who waits for the run would believe that the release is deployed,
// and the first real deployment would count as a convergence, whose failures do not hold the binding.
package plan
