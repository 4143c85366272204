package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// SliceTarget is one target of a run as it was when the run began.
type SliceTarget struct {
	// name is the name of the DeploymentTarget, for example web-1.
	Name string `json:"name"`
	// uid is the metadata.uid of the DeploymentTarget. A target that is deleted and created again under the same name is
	// not part of the run.
	UID types.UID `json:"uid"`
	// thumbprint is the spec.thumbprint of the target when the run began. If it is changed during the run, the run does not
	// continue on the target.
	// +optional
	Thumbprint string `json:"thumbprint,omitempty"`
	// steps are the indexes, counted from 0, of the top-level steps of the process that address the target. They are fixed
	// when the run begins: a role that the target gains or loses later does not change what runs on it.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Steps []int32 `json:"steps,omitempty"`
}

// DeploymentRunSliceSpec is the set of targets of a slice, which does not change.
//
// +kubebuilder:validation:XValidation:rule="self.targets == oldSelf.targets",message="spec.targets is immutable"
type DeploymentRunSliceSpec struct {
	// targets are up to 100 targets of the run, ordered by name. The list cannot be changed.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Targets []SliceTarget `json:"targets"`
}

// StepPhase is the state of a step on one target, or over all its targets.
type StepPhase string

// The phases of an action. A row that is absent is pending.
const (
	StepPending   StepPhase = "Pending"
	StepRunning   StepPhase = "Running"
	StepSucceeded StepPhase = "Succeeded"
	StepFailed    StepPhase = "Failed"
	StepSkipped   StepPhase = "Skipped"
	StepCancelled StepPhase = "Cancelled"
	StepAbandoned StepPhase = "Abandoned"
	StepLost      StepPhase = "Lost"
)

// ActionLog describes the output of a step on one target. The operator serves the output itself at the path
// /logs/<namespace>/<run>/<target>/<step>.
type ActionLog struct {
	// size is the size of the output in bytes.
	Size int64 `json:"size"`
	// reason is LogUnavailable if the output was kept by an operator pod that is gone. Empty otherwise.
	// +optional
	Reason string `json:"reason,omitempty"`
}

// ActionStatus is the state of one step on one target.
type ActionStatus struct {
	// name is the name of the step. A child of a rolling step is written parent/child, for example web/smoke.
	Name string `json:"name"`
	// phase is the state of the step on the target: Running, Succeeded, Failed, Skipped, Cancelled (it was ended by
	// request), Abandoned (it was cancelled and did not end) or Lost (it began, and how it ended is unknown).
	Phase StepPhase `json:"phase"`
	// attempt is the number of the attempt, counted from 1.
	// +optional
	Attempt int32 `json:"attempt,omitempty"`
	// sent is true once the script was sent to the machine, or may have been sent. If it is false, the step has changed
	// nothing on the machine.
	// +optional
	Sent bool `json:"sent,omitempty"`
	// answered is the number of the newest question of the run whose answer was applied to the step, counted from 1.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Answered int32 `json:"answered,omitempty"`
	// startTime is when the step was recorded as Running, before it was sent to the machine.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`
	// nextTime is when the next attempt begins. It is set only while the step waits for that attempt.
	// +optional
	NextTime *metav1.Time `json:"nextTime,omitempty"`
	// exitCode is the exit code of the script. It is not set if the script did not end by itself.
	// +optional
	ExitCode *int32 `json:"exitCode,omitempty"`
	// seconds is how long the step took on the target, in seconds, as decimal text, for example 1.25.
	// +optional
	Seconds string `json:"seconds,omitempty"`
	// reason says in one word what a running step waits for, for example MachineBusy, or why it did not succeed, for
	// example ExitCode.
	// +optional
	Reason string `json:"reason,omitempty"`
	// message says what a running step waits for, or what went wrong.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
	// log describes the output of the step.
	// +optional
	Log *ActionLog `json:"log,omitempty"`
}

// TargetResult is the result of a run on one target.
type TargetResult struct {
	// target is the name of the DeploymentTarget, for example web-1.
	Target string `json:"target"`
	// phase is the state of the run on the target: Running, Succeeded, Failed, Skipped, Cancelled, Abandoned or Lost.
	Phase StepPhase `json:"phase"`
	// reason says in one word why the run did not succeed on the target, for example Cordoned or ExitCode.
	// +optional
	Reason string `json:"reason,omitempty"`
	// startTime is when the first step began on the target.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`
	// finishTime is when the last step ended on the target.
	// +optional
	FinishTime *metav1.Time `json:"finishTime,omitempty"`
	// steps are the steps that began or were skipped on the target, in order. A step that is not listed is pending.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Steps []ActionStatus `json:"steps,omitempty"`
	// outputs are the values that the steps gave on the target. A key is the name of the step, a period and the name of the
	// output, for example install.package.directory. An output that contains the value of a Secret is left out.
	// +optional
	Outputs map[string]string `json:"outputs,omitempty"`
	// outputsCut is true if outputs were left out because a slice holds at most 64 KiB of them.
	// +optional
	OutputsCut bool `json:"outputsCut,omitempty"`
}

// DeploymentRunSliceStatus is the result of a run on the targets of a slice.
type DeploymentRunSliceStatus struct {
	// results is one row for each target on which a step began or which was skipped. A target without a row is pending.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Results []TargetResult `json:"results,omitempty"`
}

// DeploymentRunSlice is the result of a DeploymentRun on up to 100 of its targets, step by step. The operator creates
// slices; their run owns them, and the labels mantle.dev/project, mantle.dev/environment and mantle.dev/release are those
// of the run. Listed by `kubectl get drs`.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=drs
// +kubebuilder:printcolumn:name="First",type=string,JSONPath=`.spec.targets[0].name`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type DeploymentRunSlice struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is the set of targets of this slice, which does not change.
	Spec DeploymentRunSliceSpec `json:"spec"`
	// status is the result of the run on these targets, written by the operator.
	// +optional
	Status DeploymentRunSliceStatus `json:"status,omitempty"`
}

// DeploymentRunSliceList is a list of slices.
//
// +kubebuilder:object:root=true
type DeploymentRunSliceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DeploymentRunSlice `json:"items"`
}
