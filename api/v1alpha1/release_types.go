package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ReleasePackage is the version of one package in a release.
type ReleasePackage struct {
	// name is the name of one of the packages in spec.packages of the Project, for example web.
	Name StepName `json:"name"`
	// version is the version of the package, for example 1.4.2. It replaces {version} in the url that the project gives for
	// the package, and can differ from the version of the release.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9][A-Za-z0-9._+-]*$`
	Version string `json:"version"`
	// digest is the SHA-256 digest of the archive as it is published: sha256: and 64 hex digits in lower case. An archive
	// with another digest is not deployed. Default: the digest of the first download.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	// +kubebuilder:validation:XValidation:rule="self.matches('^sha256:[0-9a-f]{64}$')",message="digest must be sha256: and 64 lower-case hex digits"
	Digest string `json:"digest,omitempty"`
}

// ReleaseSource says what a release was built from.
type ReleaseSource struct {
	// repository is the source repository that the release was built from, for example https://git.example.com/shop.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Repository string `json:"repository,omitempty"`
	// commit is the commit in the repository that the release was built from.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Commit string `json:"commit,omitempty"`
}

// ReleaseSpec is the project, the version and the packages of a release. It cannot be changed: create another release.
//
// +kubebuilder:validation:XValidation:rule="self.project == oldSelf.project",message="spec.project is immutable: make another Release"
// +kubebuilder:validation:XValidation:rule="self.version == oldSelf.version",message="spec.version is immutable: make another Release"
// +kubebuilder:validation:XValidation:rule="has(self.packages) == has(oldSelf.packages) && (!has(self.packages) || self.packages == oldSelf.packages)",message="spec.packages is immutable: make another Release"
// +kubebuilder:validation:XValidation:rule="has(self.notes) == has(oldSelf.notes) && (!has(self.notes) || self.notes == oldSelf.notes)",message="spec.notes is immutable: make another Release"
// +kubebuilder:validation:XValidation:rule="has(self.source) == has(oldSelf.source) && (!has(self.source) || self.source == oldSelf.source)",message="spec.source is immutable: make another Release"
// +kubebuilder:validation:XValidation:rule="has(self.processDigest) == has(oldSelf.processDigest) && (!has(self.processDigest) || self.processDigest == oldSelf.processDigest)",message="spec.processDigest is immutable: make another Release"
type ReleaseSpec struct {
	// project is the name of the Project that this is a release of, for example shop.
	Project ObjectName `json:"project"`
	// version is the version of the release: one to four numbers, then a pre-release and build metadata if it has them, in
	// lower case, for example 1.4.2, 1.2.3.4, 2026.11, 1.5.0-rc.1 or 1.4.2+build.7. metadata.name must be spec.project, a
	// hyphen and the version, with two hyphens for its plus sign: shop-1.4.2, shop-1.4.2--build.7. In YAML, write quotation
	// marks around a version of one or two numbers: '2026.10'.
	Version Version `json:"version"`
	// packages are the versions of the packages of the project. Each package of the project must be listed.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Packages []ReleasePackage `json:"packages,omitempty"`
	// notes is a text for people, for example what has changed, of at most 16 KiB. The operator does not evaluate it.
	// +optional
	// +kubebuilder:validation:MaxLength=16384
	Notes string `json:"notes,omitempty"`
	// source says what the release was built from, for people. The operator does not evaluate it.
	// +optional
	Source *ReleaseSource `json:"source,omitempty"`
	// processDigest is the process that the release must freeze: the value that the Project shows in status.processDigest,
	// which is sha256: and 64 hex digits. While the project has another process, the release is not Ready. A release that is created again from Git or from a
	// backup is then the same release. Default: the process that the project has when the release is created.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	// +kubebuilder:validation:XValidation:rule="self.matches('^sha256:[0-9a-f]{64}$')",message="processDigest must be sha256: and 64 lower-case hex digits, as the Project shows in status.processDigest"
	ProcessDigest string `json:"processDigest,omitempty"`
}

// ResolvedPackage is a package of a release as it was downloaded.
type ResolvedPackage struct {
	// name is the name of the package in spec.packages of the Project.
	Name string `json:"name"`
	// version is the version of the package that spec.packages gives.
	Version string `json:"version"`
	// feed is the name of the feed that the package was downloaded from. Empty for the built-in feed, in which the id of a
	// package is its URL.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Feed string `json:"feed,omitempty"`
	// id is the id of the package in the feed. In the built-in feed it is the url of the project, with {version} in it.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	ID string `json:"id,omitempty"`
	// digest is the SHA-256 digest of the archive as it is published: sha256: and 64 hex digits.
	// +optional
	Digest string `json:"digest,omitempty"`
	// contentDigest is the SHA-256 digest of the uncompressed archive, which the machines check.
	// +optional
	ContentDigest string `json:"contentDigest,omitempty"`
	// format is the format of the archive: tar.gz, tar or zip.
	// +optional
	Format string `json:"format,omitempty"`
	// size is the size of the archive as it is published, in bytes.
	// +optional
	Size int64 `json:"size,omitempty"`
}

// ReleaseDeployment is the newest deployment of a release to an environment.
type ReleaseDeployment struct {
	// environment is the name of the Environment that the release was deployed to.
	Environment string `json:"environment"`
	// run is the name of the newest DeploymentRun of the release in the environment.
	Run string `json:"run"`
	// phase is the status.phase of that run, for example Running or Succeeded.
	// +optional
	Phase RunPhase `json:"phase,omitempty"`
	// time is when that run ended, or when it began if it has not ended.
	// +optional
	Time *metav1.Time `json:"time,omitempty"`
}

// ReleaseStatus is the frozen process, the packages and the deployments of a release.
type ReleaseStatus struct {
	// observedGeneration is the metadata.generation that the operator saw when it last wrote this status. While it is
	// smaller than metadata.generation, the status describes an earlier spec.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// snapshot is the name of the ControllerRevision that holds the frozen process and the variables, but no value of a
	// Secret. Later changes of the project do not affect it.
	// +optional
	Snapshot string `json:"snapshot,omitempty"`
	// processDigest identifies the process that was frozen: sha256: and 64 hex digits.
	// +optional
	ProcessDigest string `json:"processDigest,omitempty"`
	// packages are the packages of the release as they were downloaded.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Packages []ResolvedPackage `json:"packages,omitempty"`
	// deployments is the newest deployment of the release to each environment, at most 32.
	// +optional
	// +listType=map
	// +listMapKey=environment
	// +kubebuilder:validation:MaxItems=32
	Deployments []ReleaseDeployment `json:"deployments,omitempty"`
	// conditions describe the release. Ready is True if it can be deployed. Reconciling is True while its project or a
	// package is awaited. Stalled is True if it cannot become Ready without a change. Resolved is True once the process is
	// frozen and every package was found. ProjectChanged is True if the project has changed since the process was frozen.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Release is a version of a project that does not change: the process, the variables and the package versions are frozen
// when it is created. A ReleaseBinding deploys it. Listed by `kubectl get mrel`.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=mantle,shortName=mrel
// +kubebuilder:selectablefield:JSONPath=`.spec.project`
// +kubebuilder:printcolumn:name="Project",type=string,JSONPath=`.spec.project`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.version`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="!self.spec.version.matches('^[0-9][0-9a-z.+-]*$') || self.metadata.name == self.spec.project + '-' + self.spec.version.replace('+', '--')",message="metadata.name must be spec.project, a hyphen and spec.version with two hyphens for its plus sign, for example shop-1.4.2 or shop-1.4.2--build.7"
type Release struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is the project, the version and the packages of the release.
	Spec ReleaseSpec `json:"spec"`
	// status is the frozen process, the packages and the deployments of the release, written by the operator.
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
