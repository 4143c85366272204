package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RunPhase is where a run is.
type RunPhase string

// The phases of a run. Succeeded, Skipped, Failed, Cancelled, Abandoned and Superseded are final.
const (
	// RunPending means that nobody has looked at it yet.
	RunPending RunPhase = "Pending"
	// RunQueued means that another run of the project in the environment goes first.
	RunQueued RunPhase = "Queued"
	// RunRunning means that it goes on.
	RunRunning RunPhase = "Running"
	// RunWaiting means that it waits for something that is not there yet, such as a package.
	RunWaiting RunPhase = "Waiting"
	// RunCancelling means that a person has cancelled it and scripts are being ended.
	RunCancelling RunPhase = "Cancelling"
	// RunSucceeded means that all its steps ended well.
	RunSucceeded RunPhase = "Succeeded"
	// RunSkipped means that it deployed to no target, as none could be reached or all were cordoned.
	RunSkipped RunPhase = "Skipped"
	// RunFailed means that a step failed.
	RunFailed RunPhase = "Failed"
	// RunCancelled means that a person cancelled it.
	RunCancelled RunPhase = "Cancelled"
	// RunAbandoned means that it was cancelled and that something on a machine did not end.
	RunAbandoned RunPhase = "Abandoned"
	// RunSuperseded means that the binding wished another release meanwhile.
	RunSuperseded RunPhase = "Superseded"
)

// RunPurpose says why a run was made.
// +kubebuilder:validation:Enum=Rollout;Convergence
type RunPurpose string

// The purposes of a run.
const (
	// PurposeRollout brings a new wish to the environment.
	PurposeRollout RunPurpose = "Rollout"
	// PurposeConvergence brings targets that joined, came back or were rebuilt to what the others have.
	PurposeConvergence RunPurpose = "Convergence"
)

// RunState is what a person wants of a run.
// +kubebuilder:validation:Enum=Run;Cancel
type RunState string

// The wishes for a run.
const (
	RunStateRun    RunState = "Run"
	RunStateCancel RunState = "Cancel"
)

// RunTargets narrows a person's run.
type RunTargets struct {
	// include names the targets; without it, all of the environment that a step addresses.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1000
	Include []ObjectName `json:"include,omitempty"`
}

// DeploymentRunSpec says what is run. It cannot be changed, but for state.
//
// +kubebuilder:validation:XValidation:rule="self.project == oldSelf.project",message="spec.project is immutable: make another DeploymentRun"
// +kubebuilder:validation:XValidation:rule="self.release == oldSelf.release",message="spec.release is immutable: make another DeploymentRun"
// +kubebuilder:validation:XValidation:rule="self.environment == oldSelf.environment",message="spec.environment is immutable: make another DeploymentRun"
// +kubebuilder:validation:XValidation:rule="has(self.targets) == has(oldSelf.targets) && (!has(self.targets) || self.targets == oldSelf.targets)",message="spec.targets is immutable: make another DeploymentRun"
// +kubebuilder:validation:XValidation:rule="has(self.purpose) == has(oldSelf.purpose) && (!has(self.purpose) || self.purpose == oldSelf.purpose)",message="spec.purpose is immutable: make another DeploymentRun"
// +kubebuilder:validation:XValidation:rule="has(self.reason) == has(oldSelf.reason) && (!has(self.reason) || self.reason == oldSelf.reason)",message="spec.reason is immutable: make another DeploymentRun"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.state) || oldSelf.state != 'Cancel' || (has(self.state) && self.state == 'Cancel')",message="spec.state cannot go back from Cancel: make another DeploymentRun"
type DeploymentRunSpec struct {
	// project that is deployed.
	Project ObjectName `json:"project"`
	// release is the version that is deployed.
	Release Version `json:"release"`
	// environment that it is deployed to.
	Environment ObjectName `json:"environment"`
	// targets narrows a person's run. A binding's run takes the binding's targets that are not up to date.
	// +optional
	Targets *RunTargets `json:"targets,omitempty"`
	// purpose is Rollout (the default) or Convergence.
	// +optional
	// +kubebuilder:default=Rollout
	Purpose RunPurpose `json:"purpose,omitempty"`
	// reason for people.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`
	// state is Run, or Cancel to stop it: nothing further begins, and running scripts are ended.
	// +optional
	// +kubebuilder:default=Run
	State RunState `json:"state,omitempty"`
}

// RunTargetCounts counts the targets of a run.
type RunTargetCounts struct {
	// total number of targets.
	// +optional
	// +kubebuilder:default=0
	Total int32 `json:"total"`
	// pending targets have not begun.
	// +optional
	// +kubebuilder:default=0
	Pending int32 `json:"pending"`
	// running targets have begun and not ended.
	// +optional
	// +kubebuilder:default=0
	Running int32 `json:"running"`
	// succeeded targets ended well.
	// +optional
	// +kubebuilder:default=0
	Succeeded int32 `json:"succeeded"`
	// failed targets had a step that failed.
	// +optional
	// +kubebuilder:default=0
	Failed int32 `json:"failed"`
	// skipped targets were left out, for example as they were cordoned.
	// +optional
	// +kubebuilder:default=0
	Skipped int32 `json:"skipped"`
	// unreached targets had not begun when the run stopped, or could not be reached.
	// +optional
	// +kubebuilder:default=0
	Unreached int32 `json:"unreached"`
}

// RunStepStatus is how far one step of the process is.
type RunStepStatus struct {
	// name of the step; a child step is written `parent/child`.
	Name string `json:"name"`
	// phase of the step over all targets.
	// +optional
	Phase StepPhase `json:"phase,omitempty"`
	// targets is how many targets have done it, of how many, as "3/5".
	// +optional
	Targets string `json:"targets,omitempty"`
	// failed is on how many targets it failed.
	// +optional
	Failed int32 `json:"failed,omitempty"`
	// startTime of the first target.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`
	// finishTime of the last target.
	// +optional
	FinishTime *metav1.Time `json:"finishTime,omitempty"`
}

// RunFailure tells of one action that failed.
type RunFailure struct {
	// target it failed on.
	Target string `json:"target"`
	// step that failed; a child step is written `parent/child`.
	// +optional
	Step string `json:"step,omitempty"`
	// attempt that failed, from 1.
	// +optional
	Attempt int32 `json:"attempt,omitempty"`
	// reason in one word.
	// +optional
	Reason string `json:"reason,omitempty"`
	// exitCode of the script.
	// +optional
	ExitCode *int32 `json:"exitCode,omitempty"`
	// message are the last lines of output, at most 1 KiB, or what went wrong.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Message string `json:"message,omitempty"`
}

// DeploymentRunStatus is how far a run is.
type DeploymentRunStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// phase of the run: Pending, Queued, Running, Waiting or Cancelling; in the end Succeeded, Skipped (no target could be
	// reached, or all were cordoned), Failed, Cancelled, Abandoned or Superseded.
	// +optional
	Phase RunPhase `json:"phase,omitempty"`
	// snapshot of the release that is run.
	// +optional
	Snapshot string `json:"snapshot,omitempty"`
	// startTime is when the first action was decided.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`
	// finishTime is when the run ended.
	// +optional
	FinishTime *metav1.Time `json:"finishTime,omitempty"`
	// cancelTime is when the operator saw the cancellation.
	// +optional
	CancelTime *metav1.Time `json:"cancelTime,omitempty"`
	// progress is ended and all targets, as "3/5".
	// +optional
	Progress string `json:"progress,omitempty"`
	// currentStep is the step that the run is at, and on how many of its targets it is done: "migrate (3/5)". Of a rolling
	// step it is the furthest child that is running: "web/smoke (2/5)".
	// +optional
	CurrentStep string `json:"currentStep,omitempty"`
	// waiting is how many actions wait at the moment: for another script on their machine, for a machine that does not
	// answer, or for something that they need. reason and message of their rows in the DeploymentRunSlices say for what.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Waiting int32 `json:"waiting,omitempty"`
	// targets counts them.
	// +optional
	Targets RunTargetCounts `json:"targets,omitempty"`
	// steps of the process, one row for each that runs a script or deploys a package.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Steps []RunStepStatus `json:"steps,omitempty"`
	// failures are the first 20 actions that failed.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Failures []RunFailure `json:"failures,omitempty"`
	// slices is the number of DeploymentRunSlices (`<run>-000`, …) that hold the rows of the targets. Until
	// TargetsResolved is true it means nothing.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=500
	Slices int32 `json:"slices,omitempty"`
	// conditions: Ready, Reconciling, Stalled, TargetsResolved, PackagesReady.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// DeploymentRun is one execution of a release in an environment. A ReleaseBinding makes them; a person may make one
// with generateName. Set spec.state to Cancel to stop it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=mantle,shortName=drun
// +kubebuilder:printcolumn:name="Project",type=string,JSONPath=`.spec.project`
// +kubebuilder:printcolumn:name="Release",type=string,JSONPath=`.spec.release`
// +kubebuilder:printcolumn:name="Environment",type=string,JSONPath=`.spec.environment`
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
	// spec is what is run.
	Spec DeploymentRunSpec `json:"spec"`
	// status is how far it is.
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
