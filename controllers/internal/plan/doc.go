// Package plan decides what a deployment run does next. It is pure: time is a value in the view, and there is no client,
// context, clock or logger.
//
// Fill a View from the release's frozen process, the run's fixed set of targets and the attempts of the ledger, call
// Evaluate, carry the Decision out (write what starts and ends into the attempts, store them, then send), and call Evaluate
// again whenever an attempt, a target or the stop changed, or Wake has passed. A decision is complete: with its starts and
// ends written into the attempts, Evaluate decides nothing further on the same view. The Summary tells what the same view
// means for the run's status, with the decision carried out. An evaluation looks at each pair of target and leaf a fixed
// number of times.
//
// # Addressing
//
// Which top-level steps address a target is fixed with the run's set of targets (Target.Steps). Nothing else addresses:
// a role, label or parameter that changes later does not change what runs where.
//
// # Order
//
// Top-level steps run one after the other, each on the targets that it addresses, by name. A step is over when none of its
// targets is in flight and none may begin any more; only then does the next one begin. A plain step has all its targets in
// flight at once, a rolling step one, unless it has a window. The window slides: as one target finishes, the next by name
// begins. A per cent of the targets that the step addresses rounds up and is at least 1. A target has begun a rolling step
// when its first child has a row, and then finishes the children, each by its condition, which reads what happened to this
// target in this rolling step and nothing else.
//
// A failure keeps from beginning whatever has not begun, but for top-level steps with condition Failure or Always: these
// run at their place, on all their targets, also when one of these fails in them. A condition reads what happened in the
// steps before, so a Failure step that was passed over is not run for a failure that comes later. A supersede lets no
// further target begin; targets in flight finish their step. A cancel skips what has not begun, children too, and ends
// running scripts.
//
// # Sent
//
// Whether anything was sent to a machine is told by the one who sends: Attempt.Sent. No reason stands for it. A target has
// begun when something was sent to it in this run. When a child of a rolling step fails on a target before anything of
// that step was sent to it, none of the target's other children runs, whatever their conditions: there is nothing to clean
// up after. A target to which nothing was sent is Skipped or Failed in the end, never Succeeded or Cancelled.
//
// # A target's turn
//
// A target's turn is its first action in a top-level step. If it is cordoned then, settings.unavailableTargets says
// whether it fails or is left out of the whole run; one that has begun always fails. Unsent applies the same rule to an
// action whose machine could not be reached within the policy's retry duration, as the dispatcher reports. A target that is
// unavailable at its turn may be back: it is tried once (Start.Away), and Unsent says what comes of that. Between the
// children of a rolling step a target that cannot be reached is not given up at once, because a reboot may be what the
// children are for: its next child is tried. Untrusted targets and those that hold too many projects always fail, each with
// its own reason. Cordoned targets have a reason and words of their own: nobody says that they could not be reached.
//
// A target that was deleted or given another pin is no longer the run's. Its action in flight ends at once as Cancelled
// with reason TargetDeleted or TargetChanged, which names the host if anything was sent there, and the rest is skipped.
// Neither is a failure.
//
// A target that leaves the run's environment takes no further turn: it finishes the step that it is in, all children of a
// rolling one, and the first step after that is Skipped with reason TargetChanged. That is no failure either.
//
// # Waiting
//
// An action is Running from the moment that its row is written. Until it is sent it is prepared, and its reason says for
// what it waits: it is in flight and keeps its place in the window. A running action with a reason is one of the
// Summary's Waits, whether it is not sent yet, waits for other scripts on its machine, or cannot be followed because the
// machine cannot be reached. The run itself is Waiting where everything in flight waits.
//
// An action that is not sent within an hour of being written is in GiveUp, and ends as Failed with the reason for which it
// waits, unless it was sent meanwhile. If the run was superseded, another run waits for it: then it is given up a minute
// after that, or after being written if that was later.
//
// # Time limits
//
// A sent action is cancelled 30 s after its timeout, counted from the start of its process. While that start is not known
// (the machine is busy with another script, or cannot be reached) the timeout counts twice, from when the action was sent,
// as waiting may take as long again. An action that has not ended when the cancel deadline has passed too is Abandoned, or
// Lost if the machine cannot be reached. An action that was cancelled though nobody cancelled the run counts as a failure.
//
// # What has a row
//
// An action has a row when it was started, when it failed or was skipped at its turn, and when a child's condition did not
// hold. There are no rows for steps that do not address a target, nor for what a failure, a cancel or a supersede kept from
// beginning: five thousand targets that did not begin cost nothing, and the summary says so of each. A target that began
// and then missed a step in this way is Cancelled with reason Stopped, Cancelled or Superseded, so it is never taken for
// one that has the release; it counts as skipped. A target that did not begin counts as unreached.
//
// # When every target was left out
//
// A run that deployed to no target, as they were unavailable or cordoned and unavailableTargets is Skip, ends Skipped with
// reason Unavailable, or Cordoned if all were, progress 0/n and a message that nothing was deployed. It cannot end Failed:
// that would hold the binding, and the machines would not converge when they come back, as Skip promises. Nor is it a
// success: whoever waits for the run would take the release for deployed, and the first real deployment of it would count
// as a convergence, whose failures do not hold the binding.
package plan
