package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// SliceTarget is one machine of a run as it was when the run began.
type SliceTarget struct {
	// name of the DeploymentTarget.
	Name string `json:"name"`
	// uid of the DeploymentTarget: a target made again under the name is another.
	UID types.UID `json:"uid"`
	// thumbprint that pinned it: another pin is another machine.
	// +optional
	Thumbprint string `json:"thumbprint,omitempty"`
	// steps are the indexes, from 0, of the top-level steps of the process that address the target. They are fixed
	// when the run begins, so a role that the target gains or loses later does not change what runs on it.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Steps []int32 `json:"steps,omitempty"`
}

// DeploymentRunSliceSpec is the fixed set of targets of this slice.
//
// +kubebuilder:validation:XValidation:rule="self.targets == oldSelf.targets",message="spec.targets is immutable"
type DeploymentRunSliceSpec struct {
	// targets by name.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Targets []SliceTarget `json:"targets"`
}

// StepPhase is where an action, or a step over all its targets, is.
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

// ActionLog tells of an action's output, which the operator serves at /logs/<namespace>/<run>/<target>/<step>.
type ActionLog struct {
	// size of that text in bytes.
	Size int64 `json:"size"`
	// reason is LogUnavailable where the operator that goes on with the run does not have the output.
	// +optional
	Reason string `json:"reason,omitempty"`
}

// ActionStatus is one step on one target.
type ActionStatus struct {
	// name of the step; a child step is written `parent/child`.
	Name string `json:"name"`
	// phase of the action.
	Phase StepPhase `json:"phase"`
	// attempt, from 1.
	// +optional
	Attempt int32 `json:"attempt,omitempty"`
	// sent is true once the script was sent to the machine, or may have been. An action that is not sent has changed
	// nothing there.
	// +optional
	Sent bool `json:"sent,omitempty"`
	// answered is the number of the run's newest question whose answer was applied to the action.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Answered int32 `json:"answered,omitempty"`
	// startTime is when it was written down as Running, before it was prepared and sent.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`
	// nextTime is when the next attempt begins, while the action waits for it.
	// +optional
	NextTime *metav1.Time `json:"nextTime,omitempty"`
	// exitCode of the script, when it ended.
	// +optional
	ExitCode *int32 `json:"exitCode,omitempty"`
	// seconds that it took, as decimal text.
	// +optional
	Seconds string `json:"seconds,omitempty"`
	// reason in one word: what a running action waits for, or why an action did not succeed.
	// +optional
	Reason string `json:"reason,omitempty"`
	// message says in short what a running action waits for, or what went wrong.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
	// log tells of its output.
	// +optional
	Log *ActionLog `json:"log,omitempty"`
}

// TargetResult is what happened on one target.
type TargetResult struct {
	// target name.
	Target string `json:"target"`
	// phase over all its steps.
	Phase StepPhase `json:"phase"`
	// reason in one word, where it did not succeed.
	// +optional
	Reason string `json:"reason,omitempty"`
	// startTime of its first action.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`
	// finishTime of its last action.
	// +optional
	FinishTime *metav1.Time `json:"finishTime,omitempty"`
	// steps that began or were skipped, in order.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Steps []ActionStatus `json:"steps,omitempty"`
	// outputs of its steps, each as `<step>.<name>`. Sensitive parts are masked.
	// +optional
	Outputs map[string]string `json:"outputs,omitempty"`
	// outputsCut is true where outputs were left out as a slice holds at most 64 KiB of them.
	// +optional
	OutputsCut bool `json:"outputsCut,omitempty"`
}

// DeploymentRunSliceStatus holds the rows.
type DeploymentRunSliceStatus struct {
	// results, one row for each target that began or was skipped.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Results []TargetResult `json:"results,omitempty"`
}

// DeploymentRunSlice holds what happened on up to 100 targets of one run, step by step.
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
	// spec is the fixed set of targets.
	Spec DeploymentRunSliceSpec `json:"spec"`
	// status holds the rows.
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
