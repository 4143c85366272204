package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// EnvironmentSpec describes a place to deploy to.
type EnvironmentSpec struct {
	// order sorts environments for people: staging before production.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Order int32 `json:"order,omitempty"`
	// description for people.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Description string `json:"description,omitempty"`
}

// EnvironmentTargets counts an environment's targets by health.
type EnvironmentTargets struct {
	// total number of targets.
	// +optional
	// +kubebuilder:default=0
	Total int32 `json:"total"`
	// healthy targets, those with warnings included.
	// +optional
	// +kubebuilder:default=0
	Healthy int32 `json:"healthy"`
	// unhealthy targets: their health script failed.
	// +optional
	// +kubebuilder:default=0
	Unhealthy int32 `json:"unhealthy"`
	// unavailable targets: they could not be reached.
	// +optional
	// +kubebuilder:default=0
	Unavailable int32 `json:"unavailable"`
	// untrusted targets: one side does not know the other's certificate.
	// +optional
	// +kubebuilder:default=0
	Untrusted int32 `json:"untrusted"`
	// unknown targets: nobody has looked yet.
	// +optional
	// +kubebuilder:default=0
	Unknown int32 `json:"unknown"`
}

// CurrentRelease tells which release of a project runs in an environment.
type CurrentRelease struct {
	// project is the name of the Project.
	Project string `json:"project"`
	// release is the version that most targets have, the newer of two; empty where it was not deployed well to any.
	// +optional
	Release string `json:"release,omitempty"`
	// targets is how many of the targets that the project was deployed to have that release, as "3/3".
	// +optional
	Targets string `json:"targets,omitempty"`
	// others is what the other targets have, as "1.3.0 1, 2 failed".
	// +optional
	Others string `json:"others,omitempty"`
}

// EnvironmentStatus is what the operator found.
type EnvironmentStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// targets counts the environment's targets by health.
	// +optional
	Targets EnvironmentTargets `json:"targets,omitempty"`
	// current tells which release of each project runs here. Projects without packages and without a ReleaseBinding here are
	// left out.
	// +optional
	// +listType=map
	// +listMapKey=project
	// +kubebuilder:validation:MaxItems=100
	Current []CurrentRelease `json:"current,omitempty"`
	// running is current in one line, as a column of kubectl shows it: "api 2.0.0 2/2, shop 1.1.0 2/3 (1.0.0 1)".
	// +optional
	Running string `json:"running,omitempty"`
	// conditions: Ready, Reconciling, Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Environment is an ordered place to deploy to, such as staging or production. Targets name the
// environments that they belong to.
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
	// spec is what you want.
	Spec EnvironmentSpec `json:"spec"`
	// status is what the operator found.
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
