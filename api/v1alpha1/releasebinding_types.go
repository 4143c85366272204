package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// BindingTargets selects some of the targets of an environment: those that have one of the names and one of the roles.
type BindingTargets struct {
	// names are the names of the DeploymentTargets to deploy to, at most 1000, for example [web-1, web-2]. Default: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1000
	Names []ObjectName `json:"names,omitempty"`
	// roles selects the targets that have at least one of these roles, at most 32, for example [web]. Default: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	Roles []Role `json:"roles,omitempty"`
}

// ReleaseBindingSpec is the release of a project that an environment must have.
//
// +kubebuilder:validation:XValidation:rule="self.project == oldSelf.project",message="spec.project is immutable: make another ReleaseBinding"
// +kubebuilder:validation:XValidation:rule="self.environment == oldSelf.environment",message="spec.environment is immutable: make another ReleaseBinding"
type ReleaseBindingSpec struct {
	// project is the name of the Project that is deployed, for example shop. It cannot be changed.
	Project ObjectName `json:"project"`
	// environment is the name of the Environment that is deployed to, for example production. It cannot be changed.
	Environment ObjectName `json:"environment"`
	// release is the version that the environment must have, for example 1.4.2: the spec.version of a Release of the
	// project. A change starts a run. To go back to an earlier release, write its version here.
	Release Version `json:"release"`
	// targets selects some of the targets of the environment. Default: all targets that a step of the process addresses.
	// +optional
	Targets *BindingTargets `json:"targets,omitempty"`
	// suspend prevents new runs while it is true. A run that has begun continues. Default: false.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// BindingTargetCounts is the number of targets of a binding that have the release, and of those that do not.
type BindingTargetCounts struct {
	// desired is the number of targets that must have the release: those of the environment that spec.targets selects and
	// a step addresses.
	// +optional
	// +kubebuilder:default=0
	Desired int32 `json:"desired"`
	// upToDate is the number of targets that have the release.
	// +optional
	// +kubebuilder:default=0
	UpToDate int32 `json:"upToDate"`
	// outdated is the number of targets that can be reached and do not have the release yet.
	// +optional
	// +kubebuilder:default=0
	Outdated int32 `json:"outdated"`
	// unavailable is the number of targets that cannot be reached. The release is deployed to them when they come back.
	// +optional
	// +kubebuilder:default=0
	Unavailable int32 `json:"unavailable"`
	// cordoned is the number of targets that are left out because their spec.cordoned is true.
	// +optional
	// +kubebuilder:default=0
	Cordoned int32 `json:"cordoned"`
	// failed is the number of targets on which the newest run of the release failed.
	// +optional
	// +kubebuilder:default=0
	Failed int32 `json:"failed"`
}

// BindingHold says why the binding starts no run.
type BindingHold struct {
	// reason is how the last run ended: RunFailed, RunCancelled, RunAbandoned or TargetsFailed (it failed on some targets).
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason"`
	// run is the name of the DeploymentRun that ended in this way.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Run string `json:"run,omitempty"`
	// message describes how the run ended.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Message string `json:"message,omitempty"`
}

// RefusedTarget is a target on which a run failed before anything was sent to it.
type RefusedTarget struct {
	// name is the name of the DeploymentTarget, for example web-1.
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// uid is the metadata.uid of the DeploymentTarget. A target that is deleted and created again under the same name is
	// another target.
	UID types.UID `json:"uid"`
	// thumbprint is the spec.thumbprint that the target had then. A target that is given another thumbprint is tried again.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	Thumbprint string `json:"thumbprint,omitempty"`
}

// BindingRecord is how the runs of the requested release ended. Deleting a DeploymentRun does not change it. It starts
// again from empty when the requested release or its targets change; hold, failedRuns and refused are also emptied when the
// annotation mantle.dev/retry changes.
type BindingRecord struct {
	// hash identifies the requested release and targets. It is the value of the annotation mantle.dev/desired-hash of the
	// runs.
	// +kubebuilder:validation:MaxLength=64
	Hash string `json:"hash"`
	// retry is the value that the annotation mantle.dev/retry had when hold, failedRuns and refused were written.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Retry string `json:"retry,omitempty"`
	// sequence is the number of the newest run whose end is in the record, counted from 1.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Sequence int64 `json:"sequence,omitempty"`
	// deployed is true once a run has deployed the release to a target. Later runs have the purpose Convergence.
	// +optional
	Deployed bool `json:"deployed,omitempty"`
	// redeploy is true while the release is deployed again to targets that have it, because the annotation mantle.dev/retry
	// was set when nothing had failed.
	// +optional
	Redeploy bool `json:"redeploy,omitempty"`
	// hold is set while the binding starts no run until the release changes or a retry is requested.
	// +optional
	Hold *BindingHold `json:"hold,omitempty"`
	// failedRuns are the UIDs of the runs that failed on some targets only, at most 100. Targets that failed in one of them,
	// by their status.installed, are not deployed to again until the release changes or a retry is requested.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	FailedRuns []types.UID `json:"failedRuns,omitempty"`
	// refused are the targets on which a run failed before anything was sent to them, at most 100. They are not deployed to
	// again until the release changes or a retry is requested.
	// +optional
	// +listType=map
	// +listMapKey=uid
	// +kubebuilder:validation:MaxItems=100
	Refused []RefusedTarget `json:"refused,omitempty"`
}

// ReleaseBindingStatus says how many targets have the release, and which runs deploy it.
type ReleaseBindingStatus struct {
	// observedGeneration is the metadata.generation that the operator saw when it last wrote this status. While it is
	// smaller than metadata.generation, the status describes an earlier spec.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// release is the version that this status describes.
	// +optional
	Release string `json:"release,omitempty"`
	// snapshot is the name of the ControllerRevision with the frozen process of that release.
	// +optional
	Snapshot string `json:"snapshot,omitempty"`
	// progress is the number of targets that have the release, and of those that must have it, for example 3/5.
	// +optional
	Progress string `json:"progress,omitempty"`
	// running is the release that most targets have at the moment, and in brackets what others have, for example:
	// 1.3.0 (1.4.0 2).
	// +optional
	Running string `json:"running,omitempty"`
	// targets is the number of targets that have the release, and of those that do not, by the reason why.
	// +optional
	Targets BindingTargetCounts `json:"targets,omitempty"`
	// currentRun is the name of the DeploymentRun that has not ended yet. Empty if there is none.
	// +optional
	CurrentRun string `json:"currentRun,omitempty"`
	// lastRun is the name of the newest DeploymentRun that has ended.
	// +optional
	LastRun string `json:"lastRun,omitempty"`
	// lastSuccessfulRelease is the version of the newest run with the purpose Rollout that succeeded.
	// +optional
	LastSuccessfulRelease string `json:"lastSuccessfulRelease,omitempty"`
	// lastHandledRetry is the newest value of the annotation mantle.dev/retry that led to a run.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	LastHandledRetry string `json:"lastHandledRetry,omitempty"`
	// sequence is the number of the newest run that the binding has created, counted from 1. It is part of the run's name.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Sequence int64 `json:"sequence,omitempty"`
	// record is how the runs of the requested release ended. The operator uses it to decide whether it starts another run.
	// +optional
	Record *BindingRecord `json:"record,omitempty"`
	// conditions describe the binding. Ready is True if all targets that can be reached have the release. Reconciling is
	// True while a run deploys it. Stalled is True if the spec, or an object that it names, must be changed. Held is True
	// while no run starts until a person decides.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ReleaseBinding is the desired state of an environment: the release of a project that its targets must have. The operator
// starts a DeploymentRun when the release changes, and when a target joins or comes back. To try again after a run that
// failed, set the annotation mantle.dev/retry to any new value. Where nothing failed, that deploys the release to all its
// targets again. Listed by `kubectl get rb`.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=mantle,shortName=rb
// +kubebuilder:selectablefield:JSONPath=`.spec.project`
// +kubebuilder:selectablefield:JSONPath=`.spec.environment`
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
	// spec is the release of a project that the environment must have.
	Spec ReleaseBindingSpec `json:"spec"`
	// status says how many targets have the release, and which runs deploy it. The operator writes it.
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
