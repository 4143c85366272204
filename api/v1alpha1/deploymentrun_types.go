package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RunPhase is the state of a run in one word.
type RunPhase string

// The phases of a run. Succeeded, Skipped, Failed, Cancelled, Abandoned and Superseded are final.
const (
	// RunPending means that the operator has not processed it yet.
	RunPending RunPhase = "Pending"
	// RunQueued means that it waits until another run of the project in the environment has ended.
	RunQueued RunPhase = "Queued"
	// RunRunning means that its steps are being carried out.
	RunRunning RunPhase = "Running"
	// RunWaiting means that it waits for something that is missing, such as a package.
	RunWaiting RunPhase = "Waiting"
	// RunCancelling means that a person has cancelled it and scripts are being ended.
	RunCancelling RunPhase = "Cancelling"
	// RunSucceeded means that no step failed.
	RunSucceeded RunPhase = "Succeeded"
	// RunSkipped means that it deployed to no target, as none could be reached or all were cordoned.
	RunSkipped RunPhase = "Skipped"
	// RunFailed means that a step failed.
	RunFailed RunPhase = "Failed"
	// RunCancelled means that a person cancelled it.
	RunCancelled RunPhase = "Cancelled"
	// RunAbandoned means that it was cancelled and that something on a machine did not end.
	RunAbandoned RunPhase = "Abandoned"
	// RunSuperseded means that its binding requested another release before it ended.
	RunSuperseded RunPhase = "Superseded"
)

// RunPurpose says why a run was made.
// +kubebuilder:validation:Enum=Rollout;Convergence
type RunPurpose string

// The purposes of a run.
const (
	// PurposeRollout brings a release, or a change of the targets, to the environment.
	PurposeRollout RunPurpose = "Rollout"
	// PurposeConvergence deploys the release of the other targets to targets that joined, came back or were rebuilt.
	PurposeConvergence RunPurpose = "Convergence"
)

// RunState is what a person requests of a run.
// +kubebuilder:validation:Enum=Run;Cancel
type RunState string

// The states that can be requested of a run.
const (
	RunStateRun    RunState = "Run"
	RunStateCancel RunState = "Cancel"
)

// RunTargets selects the targets of a run that a person creates.
type RunTargets struct {
	// include is the list of names of the DeploymentTargets to deploy to, at most 1000, for example [web-1, web-2]. Each
	// must belong to the environment. Default: all targets of the environment that a step addresses.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1000
	Include []ObjectName `json:"include,omitempty"`
}

// DeploymentRunSpec names what is deployed, and where. Only spec.state can be changed after creation.
//
// +kubebuilder:validation:XValidation:rule="self.project == oldSelf.project",message="spec.project is immutable: make another DeploymentRun"
// +kubebuilder:validation:XValidation:rule="self.release == oldSelf.release",message="spec.release is immutable: make another DeploymentRun"
// +kubebuilder:validation:XValidation:rule="self.environment == oldSelf.environment",message="spec.environment is immutable: make another DeploymentRun"
// +kubebuilder:validation:XValidation:rule="has(self.targets) == has(oldSelf.targets) && (!has(self.targets) || self.targets == oldSelf.targets)",message="spec.targets is immutable: make another DeploymentRun"
// +kubebuilder:validation:XValidation:rule="has(self.purpose) == has(oldSelf.purpose) && (!has(self.purpose) || self.purpose == oldSelf.purpose)",message="spec.purpose is immutable: make another DeploymentRun"
// +kubebuilder:validation:XValidation:rule="has(self.reason) == has(oldSelf.reason) && (!has(self.reason) || self.reason == oldSelf.reason)",message="spec.reason is immutable: make another DeploymentRun"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.state) || oldSelf.state != 'Cancel' || (has(self.state) && self.state == 'Cancel')",message="spec.state cannot go back from Cancel: make another DeploymentRun"
type DeploymentRunSpec struct {
	// project is the name of the Project that is deployed, for example shop. It cannot be changed.
	Project ObjectName `json:"project"`
	// release is the version that is deployed, for example 1.4.2: the spec.version of a Release of the project. It cannot
	// be changed.
	Release Version `json:"release"`
	// environment is the name of the Environment that is deployed to, for example production. It cannot be changed.
	Environment ObjectName `json:"environment"`
	// targets selects the targets of a run that a person creates. Default: all targets of the environment that a step
	// addresses. A run of a ReleaseBinding deploys to those targets of the binding that do not have the release yet.
	// +optional
	Targets *RunTargets `json:"targets,omitempty"`
	// purpose is why the run was created: Rollout deploys a new release, Convergence deploys the current release to
	// targets that joined, came back or were rebuilt. Default: Rollout. It cannot be changed.
	// +optional
	// +kubebuilder:default=Rollout
	Purpose RunPurpose `json:"purpose,omitempty"`
	// reason is a text that says why the run was created, for other people to read. The operator does not evaluate it. It
	// cannot be changed.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`
	// state is Run (the default) or Cancel. Set it to Cancel to stop the run: no further script begins, and running
	// scripts are ended. It cannot be set back to Run.
	// +optional
	// +kubebuilder:default=Run
	State RunState `json:"state,omitempty"`
}

// RunTargetCounts is the number of targets of a run by outcome.
type RunTargetCounts struct {
	// total is the number of targets of the run.
	// +optional
	// +kubebuilder:default=0
	Total int32 `json:"total"`
	// pending is the number of targets on which no step has begun.
	// +optional
	// +kubebuilder:default=0
	Pending int32 `json:"pending"`
	// running is the number of targets on which a step has begun and not all have ended.
	// +optional
	// +kubebuilder:default=0
	Running int32 `json:"running"`
	// succeeded is the number of targets on which all steps succeeded.
	// +optional
	// +kubebuilder:default=0
	Succeeded int32 `json:"succeeded"`
	// failed is the number of targets on which a step failed.
	// +optional
	// +kubebuilder:default=0
	Failed int32 `json:"failed"`
	// skipped is the number of targets that were left out, for example because they were cordoned.
	// +optional
	// +kubebuilder:default=0
	Skipped int32 `json:"skipped"`
	// unreached is the number of targets that could not be reached, or on which no step had begun when the run stopped.
	// +optional
	// +kubebuilder:default=0
	Unreached int32 `json:"unreached"`
}

// RunStepStatus is the progress of one step of the process.
type RunStepStatus struct {
	// name is the name of the step in the project. A child of a rolling step is written parent/child, for example
	// web/smoke.
	Name string `json:"name"`
	// phase is the state of the step over all targets: Pending, Running, Succeeded, Failed, Skipped, Cancelled, Abandoned
	// or Lost.
	// +optional
	Phase StepPhase `json:"phase,omitempty"`
	// targets is the number of targets on which the step has ended, and of those that it addresses, for example 3/5.
	// +optional
	Targets string `json:"targets,omitempty"`
	// failed is the number of targets on which the step failed.
	// +optional
	Failed int32 `json:"failed,omitempty"`
	// startTime is when the step began on its first target.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`
	// finishTime is when the step ended on its last target.
	// +optional
	FinishTime *metav1.Time `json:"finishTime,omitempty"`
}

// RunFailure describes one step that failed on one target.
type RunFailure struct {
	// target is the name of the DeploymentTarget on which the step failed.
	Target string `json:"target"`
	// step is the name of the step that failed. A child of a rolling step is written parent/child.
	// +optional
	Step string `json:"step,omitempty"`
	// attempt is the number of the attempt that failed, counted from 1.
	// +optional
	Attempt int32 `json:"attempt,omitempty"`
	// reason is why the step failed, in one word, for example ExitCode, TimedOut or Unavailable.
	// +optional
	Reason string `json:"reason,omitempty"`
	// exitCode is the exit code of the script. It is not set if the script did not end by itself.
	// +optional
	ExitCode *int32 `json:"exitCode,omitempty"`
	// message is the end of the script's output, at most 1 KiB, or a description of what went wrong.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Message string `json:"message,omitempty"`
	// log is the path of its output at the operator, as `/logs/shop/shop-production-1/web-1/install`; empty if nothing ran.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Log string `json:"log,omitempty"`
}

// DeploymentRunStatus is the progress and the result of a run.
type DeploymentRunStatus struct {
	// observedGeneration is the metadata.generation that the operator saw when it last wrote this status. While it is
	// smaller than metadata.generation, the status describes an earlier spec.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// phase is the state of the run in one word. While the run has not ended it is Pending, Queued (another run of the
	// project in the environment goes first), Running, Waiting (something is missing; the condition Ready says what) or
	// Cancelling. At its end it is Succeeded, Skipped (it deployed to no target, as none could be reached or all were
	// cordoned), Failed, Cancelled, Abandoned (it was cancelled, and a script did not end on a machine) or Superseded (its
	// ReleaseBinding requested another release before it ended).
	// +optional
	Phase RunPhase `json:"phase,omitempty"`
	// snapshot is the name of the ControllerRevision with the frozen process that the run carries out.
	// +optional
	Snapshot string `json:"snapshot,omitempty"`
	// startTime is when the set of targets was fixed and the run began.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`
	// finishTime is when the run ended.
	// +optional
	FinishTime *metav1.Time `json:"finishTime,omitempty"`
	// cancelTime is when the operator saw that the run was cancelled or deleted.
	// +optional
	CancelTime *metav1.Time `json:"cancelTime,omitempty"`
	// progress is the number of targets on which the run has ended, and of all its targets, for example 3/5.
	// +optional
	Progress string `json:"progress,omitempty"`
	// currentStep is the step that the run is at, and on how many of its targets it is done, for example migrate (3/5). Of a
	// rolling step it is the furthest child that is running, for example web/smoke (2/5).
	// +optional
	CurrentStep string `json:"currentStep,omitempty"`
	// waiting is the number of actions that wait at the moment: for another script on their machine, for a machine that does
	// not answer, or for something that they need. reason and message of their rows in the DeploymentRunSlices say for what.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Waiting int32 `json:"waiting,omitempty"`
	// targets is the number of targets of the run by outcome.
	// +optional
	Targets RunTargetCounts `json:"targets,omitempty"`
	// steps is the progress of the process: one row for each step that runs a script or deploys a package, in order.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Steps []RunStepStatus `json:"steps,omitempty"`
	// failures describes the first 20 failures, each of one step on one target.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Failures []RunFailure `json:"failures,omitempty"`
	// slices is the number of DeploymentRunSlices that hold the results of each target. They are named after the run, with
	// a number from 000, for example shop-production-00001-abc-000. It is valid once the condition TargetsResolved is True.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=500
	Slices int32 `json:"slices,omitempty"`
	// conditions describe the run. Ready is True once it has succeeded. Reconciling is True until it has ended. Stalled is
	// True if it cannot succeed any more. TargetsResolved is True once the set of targets is fixed. PackagesReady is True
	// once the operator has every package that the run needs.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// DeploymentRun is one deployment of a release to an environment. A ReleaseBinding creates runs by itself; a person can
// create one with metadata.generateName. Set spec.state to Cancel to stop it. The operator gives each run the labels
// mantle.dev/project, mantle.dev/environment and mantle.dev/release. Listed by `kubectl get drun`.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=mantle,shortName=drun
// +kubebuilder:selectablefield:JSONPath=`.spec.project`
// +kubebuilder:selectablefield:JSONPath=`.spec.environment`
// +kubebuilder:selectablefield:JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Project",type=string,JSONPath=`.spec.project`
// +kubebuilder:printcolumn:name="Release",type=string,JSONPath=`.spec.release`
// +kubebuilder:printcolumn:name="Environment",type=string,JSONPath=`.spec.environment`
// +kubebuilder:printcolumn:name="Purpose",type=string,JSONPath=`.spec.purpose`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Progress",type=string,JSONPath=`.status.progress`
// +kubebuilder:printcolumn:name="Failed",type=integer,JSONPath=`.status.targets.failed`
// +kubebuilder:printcolumn:name="Step",type=string,JSONPath=`.status.currentStep`
// +kubebuilder:printcolumn:name="Waiting",type=integer,priority=1,JSONPath=`.status.waiting`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 200",message="metadata.name must have at most 200 characters"
type DeploymentRun struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec names the project, the release and the environment, and can cancel the run.
	Spec DeploymentRunSpec `json:"spec"`
	// status is the progress and the result of the run, written by the operator.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status DeploymentRunStatus `json:"status,omitempty"`
}

// DeploymentRunList is a list of runs.
//
// +kubebuilder:object:root=true
type DeploymentRunList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DeploymentRun `json:"items"`
}
