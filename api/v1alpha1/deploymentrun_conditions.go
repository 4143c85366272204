package v1alpha1

// The conditions of a DeploymentRun beside Ready, Reconciling and Stalled.
const (
	// ConditionTargetsResolved is true when the fixed set of targets is written in the slices.
	ConditionTargetsResolved = "TargetsResolved"
	// ConditionPackagesReady is true when every package that the run needs is in the operator's cache.
	ConditionPackagesReady = "PackagesReady"
)

// The reasons of a DeploymentRun's conditions. Those of single actions are below.
const (
	// ReasonSucceeded surfaces when no step failed.
	ReasonSucceeded = "Succeeded"
	// ReasonFailed surfaces when a step failed.
	ReasonFailed = "Failed"
	// ReasonCancelled surfaces when a person cancelled the run.
	ReasonCancelled = "Cancelled"
	// ReasonSuperseded surfaces when the binding requested another release before the run ended.
	ReasonSuperseded = "Superseded"
	// ReasonAbandoned surfaces when something on a machine did not end after a cancel.
	ReasonAbandoned = "Abandoned"
	// ReasonQueued surfaces while another run of the project in the environment goes first.
	ReasonQueued = "Queued"
	// ReasonNamespaceBusy surfaces while many actions of other runs in the namespace wait to be sent to their machines.
	ReasonNamespaceBusy = "NamespaceBusy"
	// ReasonBound surfaces when a person's run names another release than the binding's, which is not suspended.
	ReasonBound = "Bound"
	// ReasonTargetsResolved surfaces when the set of targets is fixed.
	ReasonTargetsResolved = "TargetsResolved"
	// ReasonTargetNotFound surfaces when spec.targets.include names a target that the environment lacks.
	ReasonTargetNotFound = "TargetNotFound"
	// ReasonPackagesReady surfaces when every package is in the operator's cache.
	ReasonPackagesReady = "PackagesReady"
	// ReasonNothingToDo surfaces when no target needs anything.
	ReasonNothingToDo = "NothingToDo"
	// ReasonTooManyProjects surfaces when a target would hold more than 32 pairs of project and environment.
	ReasonTooManyProjects = "TooManyProjects"
	// ReasonNotPrepared surfaces while an action waits for an object that it needs and that could not be read.
	ReasonNotPrepared = "NotPrepared"
	// ReasonRecordsLost surfaces when what a run has done is not known any more, because its slices or its process are gone.
	ReasonRecordsLost = "RecordsLost"
	// ReasonDeleted surfaces while a run that was deleted ends its scripts.
	ReasonDeleted = "Deleted"
	// ReasonStarted is that of the event which tells that a run has started.
	ReasonStarted = "Started"
	// ReasonStepFailed is that of the event which tells of the first step that failed.
	ReasonStepFailed = "StepFailed"
)

// The reasons of single actions and targets in a run.
const (
	// ReasonExitCode surfaces when a script ended with a non-zero exit code.
	ReasonExitCode = "ExitCode"
	// ReasonTimedOut surfaces when a script took longer than its step allows.
	ReasonTimedOut = "TimedOut"
	// ReasonMutexTimedOut surfaces when the machine was busy with other scripts for too long.
	ReasonMutexTimedOut = "MutexTimedOut"
	// ReasonLost surfaces when a script had begun and how it ended is unknown.
	ReasonLost = "Lost"
	// ReasonUnavailable surfaces when the target could not be reached at its turn.
	ReasonUnavailable = "Unavailable"
	// ReasonCordoned surfaces when the target was cordoned at its turn.
	ReasonCordoned = "Cordoned"
	// ReasonUntrusted surfaces when trust between operator and machine does not hold, and the target does not say why.
	ReasonUntrusted = "Untrusted"
	// ReasonTargetDeleted surfaces when the target was deleted, or made again, during the run.
	ReasonTargetDeleted = "TargetDeleted"
	// ReasonTargetChanged surfaces when the target was given another thumbprint, or left the environment, during the run.
	ReasonTargetChanged = "TargetChanged"
	// ReasonRefused surfaces when the machine's owner does not allow the script.
	ReasonRefused = "Refused"
	// ReasonRefusedByPolicy surfaces when a rule of the policy that the machine's owner has set does not allow it; the
	// message names the rule. It is also a reason of a target whose health check is refused.
	ReasonRefusedByPolicy = "RefusedByPolicy"
	// ReasonStopped surfaces when an earlier failure keeps an action from beginning.
	ReasonStopped = "Stopped"
	// ReasonCondition surfaces when a step's condition did not hold.
	ReasonCondition = "Condition"
	// ReasonRole surfaces when a step does not address the target's roles.
	ReasonRole = "Role"
	// ReasonVariableMissing surfaces when a value that a step needs is not there at its turn.
	ReasonVariableMissing = "VariableMissing"
	// ReasonTransferFailed surfaces when a package could not be sent to the machine.
	ReasonTransferFailed = "TransferFailed"
	// ReasonEngineFailed surfaces when the engine on the machine could not carry the step out.
	ReasonEngineFailed = "EngineFailed"
	// ReasonPreparing surfaces while the values and packages of an action are read, before it is sent.
	ReasonPreparing = "Preparing"
	// ReasonMachineBusy surfaces while an action waits until another script on the machine has ended.
	ReasonMachineBusy = "MachineBusy"
	// ReasonLogUnavailable surfaces in the log of an action when its output was kept by an operator pod that is gone.
	ReasonLogUnavailable = "LogUnavailable"
)
