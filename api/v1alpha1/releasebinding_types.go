package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// BindingTargets narrows a binding to some of the environment's targets.
type BindingTargets struct {
	// names of targets; without it, all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1000
	Names []ObjectName `json:"names,omitempty"`
	// roles of targets; without it, all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	Roles []Role `json:"roles,omitempty"`
}

// ReleaseBindingSpec says which release an environment runs.
//
// +kubebuilder:validation:XValidation:rule="self.project == oldSelf.project",message="spec.project is immutable: make another ReleaseBinding"
// +kubebuilder:validation:XValidation:rule="self.environment == oldSelf.environment",message="spec.environment is immutable: make another ReleaseBinding"
type ReleaseBindingSpec struct {
	// project that is deployed.
	Project ObjectName `json:"project"`
	// environment that it is deployed to.
	Environment ObjectName `json:"environment"`
	// release is the version that shall run there. Changing it starts a run; going back is changing it back.
	Release Version `json:"release"`
	// targets narrows the binding to some of the environment's targets.
	// +optional
	Targets *BindingTargets `json:"targets,omitempty"`
	// suspend keeps new runs from beginning while true. A run that has begun goes on.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// BindingTargetCounts is the number of targets of a binding by state.
type BindingTargetCounts struct {
	// desired targets: those of the environment that the binding leaves in and a step addresses.
	// +optional
	// +kubebuilder:default=0
	Desired int32 `json:"desired"`
	// upToDate targets have the desired release.
	// +optional
	// +kubebuilder:default=0
	UpToDate int32 `json:"upToDate"`
	// outdated targets are reachable and do not have it yet.
	// +optional
	// +kubebuilder:default=0
	Outdated int32 `json:"outdated"`
	// unavailable targets cannot be reached; they converge when they come back.
	// +optional
	// +kubebuilder:default=0
	Unavailable int32 `json:"unavailable"`
	// cordoned targets are left out because spec.cordoned of the target is true.
	// +optional
	// +kubebuilder:default=0
	Cordoned int32 `json:"cordoned"`
	// failed targets failed in the newest run of the desired release.
	// +optional
	// +kubebuilder:default=0
	Failed int32 `json:"failed"`
}

// BindingHold says why no run may begin by itself.
type BindingHold struct {
	// reason is RunFailed, RunCancelled, RunAbandoned or TargetsFailed.
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason"`
	// run is the name of the DeploymentRun that ended so.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Run string `json:"run,omitempty"`
	// message says how the run ended.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Message string `json:"message,omitempty"`
}

// RefusedTarget is a machine on which a run failed before anything was sent to it.
type RefusedTarget struct {
	// name of the DeploymentTarget.
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// uid of the DeploymentTarget: a target made again under the name is another.
	UID types.UID `json:"uid"`
	// thumbprint that pinned it: another pin is another machine.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	Thumbprint string `json:"thumbprint,omitempty"`
}

// BindingRecord is how the runs of the desired release ended. It does not depend on whether the runs still exist: deleting
// a DeploymentRun changes nothing here. It begins anew when the desired release or its targets change, and what it holds
// is let go when the retry token changes.
type BindingRecord struct {
	// hash of the desired release and targets, as in the annotation mantle.dev/wish of the runs.
	// +kubebuilder:validation:MaxLength=64
	Hash string `json:"hash"`
	// retry is the value of the annotation mantle.dev/retry that hold, failedRuns and refused belong to.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Retry string `json:"retry,omitempty"`
	// sequence is the number of the newest run whose end is in the record.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Sequence int64 `json:"sequence,omitempty"`
	// deployed is true once a run has brought the release to a target: later runs are Convergences.
	// +optional
	Deployed bool `json:"deployed,omitempty"`
	// redeploy is true while the release is deployed again to targets that have it, as the annotation mantle.dev/retry
	// asked for that when nothing had failed.
	// +optional
	Redeploy bool `json:"redeploy,omitempty"`
	// hold is set while no run may begin by itself.
	// +optional
	Hold *BindingHold `json:"hold,omitempty"`
	// failedRuns are the UIDs of runs in which only some targets failed. Targets whose status.installed says that they
	// failed in one of them are left out.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	FailedRuns []types.UID `json:"failedRuns,omitempty"`
	// refused are the targets that failed before anything was sent to them, which status.installed does not tell. They are
	// left out.
	// +optional
	// +listType=map
	// +listMapKey=uid
	// +kubebuilder:validation:MaxItems=100
	Refused []RefusedTarget `json:"refused,omitempty"`
}

// ReleaseBindingStatus is how far the environment is.
type ReleaseBindingStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// release is the version that the status speaks of.
	// +optional
	Release string `json:"release,omitempty"`
	// snapshot of that release.
	// +optional
	Snapshot string `json:"snapshot,omitempty"`
	// progress is up-to-date and desired targets, as "3/5".
	// +optional
	Progress string `json:"progress,omitempty"`
	// running is the release that most targets have at the moment, and in brackets what others have: "1.3.0 (1.4.0 2)".
	// +optional
	Running string `json:"running,omitempty"`
	// targets is the number of targets by state.
	// +optional
	Targets BindingTargetCounts `json:"targets,omitempty"`
	// currentRun is the name of the run that is going on.
	// +optional
	CurrentRun string `json:"currentRun,omitempty"`
	// lastRun is the name of the newest run that ended.
	// +optional
	LastRun string `json:"lastRun,omitempty"`
	// lastSuccessfulRelease is the version of the newest Rollout that succeeded.
	// +optional
	LastSuccessfulRelease string `json:"lastSuccessfulRelease,omitempty"`
	// lastHandledRetry is the newest value of the annotation mantle.dev/retry that a run was made for.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	LastHandledRetry string `json:"lastHandledRetry,omitempty"`
	// sequence is the number of the newest run that the binding has made. The next run has the next number.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Sequence int64 `json:"sequence,omitempty"`
	// record is how the runs of the desired release ended.
	// +optional
	Record *BindingRecord `json:"record,omitempty"`
	// conditions: Ready, Reconciling, Stalled, Held.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ReleaseBinding is the desired state: this environment runs that release of the project.
// To retry a run that failed, set the annotation mantle.dev/retry to any new value. Where nothing failed, that deploys the
// release to all its targets again.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=mantle,shortName=rb
// +kubebuilder:printcolumn:name="Project",type=string,JSONPath=`.spec.project`
// +kubebuilder:printcolumn:name="Environment",type=string,JSONPath=`.spec.environment`
// +kubebuilder:printcolumn:name="Release",type=string,JSONPath=`.spec.release`
// +kubebuilder:printcolumn:name="Running",type=string,JSONPath=`.status.running`
// +kubebuilder:printcolumn:name="Up to date",type=string,JSONPath=`.status.progress`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="metadata.name must have at most 63 characters"
type ReleaseBinding struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is what you want.
	Spec ReleaseBindingSpec `json:"spec"`
	// status is how far the environment is.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status ReleaseBindingStatus `json:"status,omitempty"`
}

// ReleaseBindingList is a list of bindings.
//
// +kubebuilder:object:root=true
type ReleaseBindingList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ReleaseBinding `json:"items"`
}
