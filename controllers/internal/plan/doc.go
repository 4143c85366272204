// Package plan decides what a deployment run does next. It is pure: time is a value in the facts, and there is no
// client, context, clock or logger.
//
// Fill Facts from the release's frozen process, the run's fixed set of targets and the rows of its slices, call Next,
// carry the Decision out (write what starts and ends into the rows, then send), and call Next again whenever a row,
// a target or the wish changed, or Wake has passed. A decision is complete: with its starts and ends written into the
// rows, Next decides nothing further on the same facts. Summarize tells what the same facts mean for the run's
// status. Unsent judges an action that could not be sent.
//
// # The rules
//
// Top-level steps run one after the other, each on the targets that its roles address, by name. A step is over when
// none of its targets is in flight and none may begin any more; only then does the next one begin. A plain step has
// all its targets in flight at once, a rolling step one, unless it has a window; the window slides: as one target
// finishes, the next by name begins. A per cent of the targets that the step addresses rounds up and is at least 1.
// A target has begun a rolling step when its first child has, and then finishes the children, each by its condition,
// which reads what happened to this target in this rolling step and nothing else.
//
// A failure keeps from beginning whatever has not begun, but for top-level steps with condition Failure or Always:
// these run at their place, on all their targets, also when one of these fails in them. A condition reads what
// happened in the steps before, so a Failure step that was passed over is not run for a failure that comes later. A
// supersede lets no further target begin, targets in flight finish their step. A cancel skips what has not begun,
// children too, and ends running scripts.
//
// Roles count when a target's turn comes: one that loses a role in the middle of a step finishes the step, and one that
// is given a role when a later step has begun misses the step, and does not count as deployed.
//
// A target's turn is its first action in a top-level step. One that is unavailable or cordoned then is, by
// settings.unavailableTargets, failed or left out of the whole run, which is only possible while nothing has been
// sent to it: one that has begun fails. Between the children of a rolling step a target that is away is not given up
// at once, as a reboot may be what the children are about: its next child is sent, and fails if that does not succeed
// within the policy's retry duration. Untrusted targets and those that hold too many projects fail always, each with its own reason. A target that was deleted or given another pin is no
// longer the run's: its action in flight ends as Cancelled with reason TargetDeleted or TargetChanged, which names the
// host, and the rest is skipped; neither is a failure.
//
// An action is cancelled 30 s after its timeout, counted from the start of its process. While that start is not known
// (the package is being sent, the machine is busy with another script, or it is away) the timeout counts twice, as
// waiting may take as long again. An action that has not ended when the cancel deadline has passed too is Abandoned,
// or Lost where the machine is away. An action that was cancelled though nobody cancelled the run counts as a failure.
//
// # What has a row
//
// An action has a row when it was sent, when it failed or was skipped at its turn, and when a child's condition did
// not hold. There are no rows for steps that do not address a target, nor for what a failure, a cancel or a supersede
// kept from beginning: five thousand targets that did not begin cost nothing, and the summary says so of each. A
// target that began and then missed a step in this way is Cancelled with reason Stopped, Cancelled or Superseded, so
// it is never taken for one that has the release; it counts as skipped. A target that did not begin counts as
// unreached.
//
// # When every target was left out
//
// A run whose targets were all unavailable or cordoned, with unavailableTargets: Skip, ends Succeeded with reason
// Unavailable, progress 0/n and a message that nothing was deployed. It cannot end Failed: that would hold the binding,
// and the machines would not converge when they come back, as Skip promises. But it is no success to build on: who
// asks whether a release was rolled out must look at status.targets.succeeded as well, or the first real deployment of
// a release would count as a convergence, whose failures do not hold the binding.
package plan
