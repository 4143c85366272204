package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// EnvironmentSpec is the order and the description of an environment.
type EnvironmentSpec struct {
	// order is the place of the environment among the others for people who read a list, for example 10 for staging and 20
	// for production. The operator does not evaluate it. Default: 0.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Order int32 `json:"order,omitempty"`
	// description is a text for people, of at most 1024 characters. The operator does not evaluate it.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Description string `json:"description,omitempty"`
}

// EnvironmentTargets is the number of targets of an environment by health.
type EnvironmentTargets struct {
	// total is the number of DeploymentTargets that name the environment.
	// +optional
	// +kubebuilder:default=0
	Total int32 `json:"total"`
	// healthy is the number of targets that can be deployed to, including those with warnings.
	// +optional
	// +kubebuilder:default=0
	Healthy int32 `json:"healthy"`
	// unhealthy is the number of targets whose health check failed.
	// +optional
	// +kubebuilder:default=0
	Unhealthy int32 `json:"unhealthy"`
	// unavailable is the number of targets that could not be reached.
	// +optional
	// +kubebuilder:default=0
	Unavailable int32 `json:"unavailable"`
	// untrusted is the number of targets where one side does not accept the other's certificate.
	// +optional
	// +kubebuilder:default=0
	Untrusted int32 `json:"untrusted"`
	// unknown is the number of targets that have not been checked yet.
	// +optional
	// +kubebuilder:default=0
	Unknown int32 `json:"unknown"`
}

// CurrentRelease is the release of a project that an environment has.
type CurrentRelease struct {
	// project is the name of a Project that was deployed to the environment.
	Project string `json:"project"`
	// release is the version that most targets have; of several, the newest. Empty if no target has one that was deployed
	// without a failure.
	// +optional
	Release string `json:"release,omitempty"`
	// targets is the number of targets that have this release, and of those that the project was deployed to, for example
	// 3/3.
	// +optional
	Targets string `json:"targets,omitempty"`
	// others is what the other targets have, for example: 1.3.0 1, 2 failed.
	// +optional
	Others string `json:"others,omitempty"`
}

// EnvironmentStatus is the targets and the current releases of an environment.
type EnvironmentStatus struct {
	// observedGeneration is the metadata.generation that the operator saw when it last wrote this status. While it is
	// smaller than metadata.generation, the status describes an earlier spec.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// targets is the number of targets of the environment by health.
	// +optional
	Targets EnvironmentTargets `json:"targets,omitempty"`
	// current is the release of each project that the environment has, at most 100. Projects without packages and without a
	// ReleaseBinding for the environment are left out.
	// +optional
	// +listType=map
	// +listMapKey=project
	// +kubebuilder:validation:MaxItems=100
	Current []CurrentRelease `json:"current,omitempty"`
	// running is status.current in one line, for the column of kubectl get, for example: api 2.0.0 2/2, shop 1.1.0 2/3
	// (1.0.0 1).
	// +optional
	Running string `json:"running,omitempty"`
	// conditions describe the environment. Ready is True if its targets were counted. Reconciling and Stalled are not used
	// in normal operation.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Environment is a group of machines that releases are deployed to, for example staging or production. DeploymentTargets
// name the environments that they belong to. Listed by `kubectl get tenv`.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=mantle,shortName=tenv
// +kubebuilder:printcolumn:name="Order",type=integer,JSONPath=`.spec.order`
// +kubebuilder:printcolumn:name="Targets",type=integer,JSONPath=`.status.targets.total`
// +kubebuilder:printcolumn:name="Healthy",type=integer,JSONPath=`.status.targets.healthy`
// +kubebuilder:printcolumn:name="Current",type=string,JSONPath=`.status.running`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="metadata.name must have at most 63 characters"
type Environment struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is the order and the description of the environment.
	Spec EnvironmentSpec `json:"spec"`
	// status is the targets and the current releases of the environment, written by the operator.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status EnvironmentStatus `json:"status,omitempty"`
}

// EnvironmentList is a list of environments.
//
// +kubebuilder:object:root=true
type EnvironmentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Environment `json:"items"`
}
