package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ProjectPackage is a package and the address that it is downloaded from.
type ProjectPackage struct {
	// name is the name by which steps and releases refer to this package, for example web.
	Name StepName `json:"name"`
	// url is the address of the archive, which is a tar.gz, tar or zip file, for example
	// https://packages.example.com/shop/web-{version}.tar.gz. {version} in it is replaced by the version that a Release
	// gives for the package. It begins with https://, or with file:// if the operator was started with --package-root.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^(https|file)://[^ ]+$')",message="url must begin with https:// (or with file:// where the operator was started with --package-root)"
	URL string `json:"url"`
}

// UnavailableTargets says what a run does with a target that cannot be reached.
// +kubebuilder:validation:Enum=Skip;Fail
type UnavailableTargets string

// The ways to treat unavailable targets.
const (
	UnavailableSkip UnavailableTargets = "Skip"
	UnavailableFail UnavailableTargets = "Fail"
)

// NoTargets says how a run ends if it has no target.
// +kubebuilder:validation:Enum=Fail;Succeed
type NoTargets string

// The ways to treat an empty set of targets.
const (
	NoTargetsFail    NoTargets = "Fail"
	NoTargetsSucceed NoTargets = "Succeed"
)

// ProjectSettings say what a run does in special cases.
type ProjectSettings struct {
	// unavailableTargets says what a run does with a target that cannot be reached: Skip leaves it out, and it is deployed
	// to when it comes back; Fail makes the run fail. Default: Skip.
	// +optional
	// +kubebuilder:default=Skip
	UnavailableTargets UnavailableTargets `json:"unavailableTargets,omitempty"`
	// noTargets says how a run ends if no target of the environment is addressed by a step: Fail or Succeed. Default: Fail.
	// +optional
	// +kubebuilder:default=Fail
	NoTargets NoTargets `json:"noTargets,omitempty"`
}

// ProjectHistory says how many finished runs are kept.
type ProjectHistory struct {
	// runs is the number of finished DeploymentRuns that are kept for each environment, from 1 to 1000. Older ones are
	// deleted, with their slices and their output. Default: 20.
	// +optional
	// +kubebuilder:default=20
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Runs int32 `json:"runs,omitempty"`
}

// ProjectSpec is what a project deploys, and how.
type ProjectSpec struct {
	// packages are the packages that the steps deploy, at most 32. A Release gives the version of each.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Packages []ProjectPackage `json:"packages,omitempty"`
	// variables are the values that scripts and steps use, at most 256. All that do not come from a Secret are in the file
	// that $MANTLE_VARIABLES names.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=256
	Variables []Variable `json:"variables,omitempty"`
	// settings say what a run does in special cases, such as a target that cannot be reached.
	// +optional
	// +kubebuilder:default:={}
	Settings ProjectSettings `json:"settings,omitempty"`
	// history says how many finished runs are kept.
	// +optional
	// +kubebuilder:default:={}
	History ProjectHistory `json:"history,omitempty"`
	// steps are the process: what a run does on the targets, in order, from 1 to 64 steps. A step begins when the one before
	// has ended on all its targets.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Steps []Step `json:"steps"`
}

// Problem is an error in a spec that the API server could not detect.
type Problem struct {
	// path is the path of the field that is wrong, for example spec.steps[1].run.env[0].value.
	// +kubebuilder:validation:MaxLength=256
	Path string `json:"path"`
	// message says what is wrong and how to correct it.
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message"`
}

// ProjectStatus is the result of checking a project.
type ProjectStatus struct {
	// observedGeneration is the metadata.generation that the operator saw when it last wrote this status. While it is
	// smaller than metadata.generation, the status describes an earlier spec.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// processDigest identifies the process as it is written now: sha256: and 64 hex digits. Write it into spec.processDigest
	// of a Release to make sure that the release freezes exactly this process.
	// +optional
	ProcessDigest string `json:"processDigest,omitempty"`
	// problems are the errors in the spec, at most 32. While there are any, no release can be made of the project.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Problems []Problem `json:"problems,omitempty"`
	// conditions describe the project. Ready is True if its spec has no errors. Reconciling is True while an object that the
	// spec names does not exist yet. Stalled is True if the spec must be corrected.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Project is what is deployed, and how: packages, variables, and the process, which is a list of steps. A change of a
// project affects later releases, not those that exist. Listed by `kubectl get mproj`; other products also have a kind named
// Project, so do not write `kubectl get projects` in scripts.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=mantle,shortName=mproj
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="metadata.name must have at most 63 characters"
type Project struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is what the project deploys, and how.
	Spec ProjectSpec `json:"spec"`
	// status is the result of checking the project, written by the operator.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status ProjectStatus `json:"status,omitempty"`
}

// ProjectList is a list of projects.
//
// +kubebuilder:object:root=true
type ProjectList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Project `json:"items"`
}
