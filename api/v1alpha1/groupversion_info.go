package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of every kind of this package.
var GroupVersion = schema.GroupVersion{Group: "mantle.dev", Version: "v1alpha1"}

// SchemeGroupVersion is GroupVersion under the name that generated clients look for.
var SchemeGroupVersion = GroupVersion

// AddToScheme registers every kind of this package.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&DeploymentTarget{}, &DeploymentTargetList{},
		&TargetPolicy{}, &TargetPolicyList{},
		&Environment{}, &EnvironmentList{},
		&Project{}, &ProjectList{},
		&Release{}, &ReleaseList{},
		&ReleaseBinding{}, &ReleaseBindingList{},
		&DeploymentRun{}, &DeploymentRunList{},
		&DeploymentRunSlice{}, &DeploymentRunSliceList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
