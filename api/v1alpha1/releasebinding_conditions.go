package v1alpha1

// ConditionHeld of a ReleaseBinding is true while no run starts until a person decides; the reason says which decision.
const ConditionHeld = "Held"

// The reasons of a ReleaseBinding's conditions.
const (
	// ReasonUpToDate surfaces when at least one desired target is reachable and all reachable ones have the desired release.
	ReasonUpToDate = "UpToDate"
	// ReasonRunning surfaces while a run is going on.
	ReasonRunning = "Running"
	// ReasonRunFailed surfaces when the newest Rollout of the desired release failed: change the release, or ask for a retry.
	ReasonRunFailed = "RunFailed"
	// ReasonRunCancelled surfaces when a person cancelled the newest run: change the release, or ask for a retry.
	ReasonRunCancelled = "RunCancelled"
	// ReasonRunAbandoned surfaces when the newest run was cancelled and something on a machine did not end.
	ReasonRunAbandoned = "RunAbandoned"
	// ReasonTargetsFailed surfaces when a Convergence failed on some targets; the others still converge.
	ReasonTargetsFailed = "TargetsFailed"
	// ReasonRunNameTaken surfaces when a DeploymentRun that the binding did not make has the name of its next run.
	ReasonRunNameTaken = "RunNameTaken"
	// ReasonSuspended surfaces when spec.suspend keeps runs from beginning.
	ReasonSuspended = "Suspended"
	// ReasonOverlaps surfaces when an older binding selects one of these targets for the same project and environment.
	ReasonOverlaps = "Overlaps"
	// ReasonReleaseNotFound surfaces while the named Release is not there.
	ReasonReleaseNotFound = "ReleaseNotFound"
	// ReasonReleaseNotReady surfaces while the named Release is not Ready.
	ReasonReleaseNotReady = "ReleaseNotReady"
	// ReasonEnvironmentNotFound surfaces while the named Environment is not there; so it does on a DeploymentTarget, which
	// stays Ready, in its condition EnvironmentsFound.
	ReasonEnvironmentNotFound = "EnvironmentNotFound"
	// ReasonNoTargets surfaces when no target is desired.
	ReasonNoTargets = "NoTargets"
	// ReasonNoTargetReachable surfaces while no desired target can be reached.
	ReasonNoTargetReachable = "NoTargetReachable"
	// ReasonJournalUnread surfaces while the journal of a reachable target has not been read.
	ReasonJournalUnread = "JournalUnread"
	// ReasonRecording surfaces while the targets do not yet show what the newest run did to them.
	ReasonRecording = "Recording"
)
