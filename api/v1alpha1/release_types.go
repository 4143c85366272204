package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ReleasePackage pins a package of the project to a version.
type ReleasePackage struct {
	// name of one of the project's packages.
	Name StepName `json:"name"`
	// version of the package; it replaces `{version}` in the project's url.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9][A-Za-z0-9._+-]*$`
	Version string `json:"version"`
	// digest of the archive as published: sha256: and 64 hex digits. Without it, the digest of the first download
	// holds from then on.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	// +kubebuilder:validation:XValidation:rule="self.matches('^sha256:[0-9a-f]{64}$')",message="digest must be sha256: and 64 lower-case hex digits"
	Digest string `json:"digest,omitempty"`
}

// ReleaseSource tells what a release was built from.
type ReleaseSource struct {
	// repository that it was built from.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Repository string `json:"repository,omitempty"`
	// commit that it was built from.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Commit string `json:"commit,omitempty"`
}

// ReleaseSpec names the project, the version and the packages. It cannot be changed: make another release.
//
// +kubebuilder:validation:XValidation:rule="self.project == oldSelf.project",message="spec.project is immutable: make another Release"
// +kubebuilder:validation:XValidation:rule="self.version == oldSelf.version",message="spec.version is immutable: make another Release"
// +kubebuilder:validation:XValidation:rule="has(self.packages) == has(oldSelf.packages) && (!has(self.packages) || self.packages == oldSelf.packages)",message="spec.packages is immutable: make another Release"
// +kubebuilder:validation:XValidation:rule="has(self.notes) == has(oldSelf.notes) && (!has(self.notes) || self.notes == oldSelf.notes)",message="spec.notes is immutable: make another Release"
// +kubebuilder:validation:XValidation:rule="has(self.source) == has(oldSelf.source) && (!has(self.source) || self.source == oldSelf.source)",message="spec.source is immutable: make another Release"
// +kubebuilder:validation:XValidation:rule="has(self.processDigest) == has(oldSelf.processDigest) && (!has(self.processDigest) || self.processDigest == oldSelf.processDigest)",message="spec.processDigest is immutable: make another Release"
type ReleaseSpec struct {
	// project that this is a release of.
	Project ObjectName `json:"project"`
	// version of the release. The object's name must be `<project>-<version>`.
	Version Version `json:"version"`
	// packages of the project, each with its version.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Packages []ReleasePackage `json:"packages,omitempty"`
	// notes for people.
	// +optional
	// +kubebuilder:validation:MaxLength=16384
	Notes string `json:"notes,omitempty"`
	// source tells what it was built from.
	// +optional
	Source *ReleaseSource `json:"source,omitempty"`
	// processDigest makes the release wait for exactly the process that a Project shows in status.processDigest.
	// With it, a release that Git or a restore makes again is the same release.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	// +kubebuilder:validation:XValidation:rule="self.matches('^sha256:[0-9a-f]{64}$')",message="processDigest must be sha256: and 64 lower-case hex digits, as the Project shows in status.processDigest"
	ProcessDigest string `json:"processDigest,omitempty"`
}

// ResolvedPackage is a package as it was found.
type ResolvedPackage struct {
	// name of the package in the project.
	Name string `json:"name"`
	// version of the package.
	Version string `json:"version"`
	// feed that it was fetched from; without it, the built-in one, whose ids are URLs.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Feed string `json:"feed,omitempty"`
	// id of the package in the feed: of the built-in one, the project's url with its `{version}`.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	ID string `json:"id,omitempty"`
	// digest of the archive as published.
	// +optional
	Digest string `json:"digest,omitempty"`
	// contentDigest is the digest of the uncompressed archive, which machines check.
	// +optional
	ContentDigest string `json:"contentDigest,omitempty"`
	// format of the archive: tar.gz, tar or zip.
	// +optional
	Format string `json:"format,omitempty"`
	// size of the archive as published, in bytes.
	// +optional
	Size int64 `json:"size,omitempty"`
}

// ReleaseDeployment tells how a release fared in an environment.
type ReleaseDeployment struct {
	// environment it was deployed to.
	Environment string `json:"environment"`
	// run is the newest DeploymentRun of this release there.
	Run string `json:"run"`
	// phase of that run.
	// +optional
	Phase RunPhase `json:"phase,omitempty"`
	// time when that run ended, or began.
	// +optional
	Time *metav1.Time `json:"time,omitempty"`
}

// ReleaseStatus is what the operator made of it.
type ReleaseStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// snapshot is the name of the ControllerRevision that holds the frozen process and variable definitions. Later
	// edits of the project do not change it.
	// +optional
	Snapshot string `json:"snapshot,omitempty"`
	// processDigest of the process that was frozen.
	// +optional
	ProcessDigest string `json:"processDigest,omitempty"`
	// packages as they were found.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Packages []ResolvedPackage `json:"packages,omitempty"`
	// deployments of this release, one for each environment.
	// +optional
	// +listType=map
	// +listMapKey=environment
	// +kubebuilder:validation:MaxItems=32
	Deployments []ReleaseDeployment `json:"deployments,omitempty"`
	// conditions: Ready, Reconciling, Stalled, Resolved, ProjectChanged.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Release is an immutable version of a project: its process, variable definitions and package versions,
// frozen. Deploy it by a ReleaseBinding.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=mantle,shortName=mrel
// +kubebuilder:printcolumn:name="Project",type=string,JSONPath=`.spec.project`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.version`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="self.metadata.name == self.spec.project + '-' + self.spec.version",message="metadata.name must be spec.project, a hyphen and spec.version, for example shop-1.4.2"
type Release struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is what you want.
	Spec ReleaseSpec `json:"spec"`
	// status is what the operator made of it.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status ReleaseStatus `json:"status,omitempty"`
}

// ReleaseList is a list of releases.
//
// +kubebuilder:object:root=true
type ReleaseList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Release `json:"items"`
}
