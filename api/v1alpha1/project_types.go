package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// ProjectPackage names a package and where it comes from.
type ProjectPackage struct {
	// name by which steps and releases mean this package.
	Name StepName `json:"name"`
	// url of the archive (tar.gz, tar or zip); `{version}` in it is replaced by the release's version of the package.
	// It begins with https://, or with file:// where the operator was started with --package-root.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^(https|file)://[^ ]+$')",message="url must begin with https:// (or with file:// where the operator was started with --package-root)"
	URL string `json:"url"`
}

// UnavailableTargets says what happens when a target cannot be reached at its turn.
// +kubebuilder:validation:Enum=Skip;Fail
type UnavailableTargets string

// The ways to treat unavailable targets.
const (
	UnavailableSkip UnavailableTargets = "Skip"
	UnavailableFail UnavailableTargets = "Fail"
)

// NoTargets says what happens when an environment has no target for the project.
// +kubebuilder:validation:Enum=Fail;Succeed
type NoTargets string

// The ways to treat an empty set of targets.
const (
	NoTargetsFail    NoTargets = "Fail"
	NoTargetsSucceed NoTargets = "Succeed"
)

// ProjectSettings decide the edge cases of a run.
type ProjectSettings struct {
	// unavailableTargets says what happens to a target that cannot be reached at its turn: Skip (it is deployed to
	// when it comes back; the default) or Fail.
	// +optional
	// +kubebuilder:default=Skip
	UnavailableTargets UnavailableTargets `json:"unavailableTargets,omitempty"`
	// noTargets says what happens when there is no target at all: Fail (the default) or Succeed.
	// +optional
	// +kubebuilder:default=Fail
	NoTargets NoTargets `json:"noTargets,omitempty"`
}

// ProjectHistory says how much of the past is kept.
type ProjectHistory struct {
	// runs is how many finished runs are kept in each environment, 20 unless given.
	// +optional
	// +kubebuilder:default=20
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Runs int32 `json:"runs,omitempty"`
}

// Shell is the interpreter of a script.
// +kubebuilder:validation:Enum=Bash;PowerShell;Python
type Shell string

// The shells.
const (
	ShellBash       Shell = "Bash"
	ShellPowerShell Shell = "PowerShell"
	ShellPython     Shell = "Python"
)

// EnvVar is an environment variable of a script.
type EnvVar struct {
	// name of the environment variable.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	Name string `json:"name"`
	// value of it; `$(name)` is replaced by that variable of the project.
	// +kubebuilder:validation:MaxLength=16384
	Value string `json:"value"`
}

// RunStep runs a script on the machine. The script is never rewritten: values reach it as environment
// variables and in the file $MANTLE_VARIABLES; it gives outputs by appending name=value to $MANTLE_OUTPUT.
type RunStep struct {
	// shell that runs the script: Bash, PowerShell or Python.
	Shell Shell `json:"shell"`
	// script as it is run. Exit code 0 is success.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=131072
	Script string `json:"script"`
	// env are environment variables for the script.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Env []EnvVar `json:"env,omitempty"`
	// user is the name of the account on the machine that the script runs as, instead of the one that all scripts
	// there run as. The machine's owner decides: the Tentacle must have the rights to become that user, or sudo must
	// give it those, and a policy may forbid it. Not on Windows. `$(name)` is replaced by that variable of the
	// project, which must not be sensitive.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.contains('$(') || self.matches(r'^[0-9]*[A-Za-z_\\\\][A-Za-z0-9_.@\\\\-]*[$]?$')",message="user must be the name of an account, for example app; not a number"
	User string `json:"user,omitempty"`
	// workingDir is the absolute path of the folder on the machine that the script begins in, without . and .. in it;
	// it must be there. Without it the script begins in a folder of its own, which is removed afterwards. `$(name)` is
	// replaced by that variable of the project, which must not be sensitive, for example
	// `$(steps.install.outputs.package.directory)`.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.contains('$(') || self.matches(r'^(/|[A-Za-z]:[/\\\\]|\\\\\\\\)')",message="workingDir must be an absolute path, for example /srv/app"
	WorkingDir string `json:"workingDir,omitempty"`
}

// DeployStep installs a package into a fresh folder on the machine and switches the link `current` to it.
// Nothing happens where the same content with the same variables is installed already.
type DeployStep struct {
	// package is the name of one of the project's packages.
	Package StepName `json:"package"`
}

// StepCondition says when a step runs, by how the run has gone so far.
// +kubebuilder:validation:Enum=Success;Failure;Always
type StepCondition string

// The conditions of a step.
const (
	ConditionSuccess StepCondition = "Success"
	ConditionFailure StepCondition = "Failure"
	ConditionAlways  StepCondition = "Always"
)

// StepModifiers are what every leaf step may have, at the top or in a rolling step.
type StepModifiers struct {
	// condition: Success (the default) runs when nothing has failed so far, Failure when something has, Always in
	// both cases. In a rolling step it speaks of this target's earlier children.
	// +optional
	// +kubebuilder:default=Success
	Condition StepCondition `json:"condition,omitempty"`
	// timeout of the step on one target, 1h unless given, from its start there.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('168h')",message="timeout must be from 1s to 168h, for example 10m"
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// outputs are the names of the values that the step gives to later ones.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	Outputs []OutputName `json:"outputs,omitempty"`
	// run runs a script.
	// +optional
	Run *RunStep `json:"run,omitempty"`
	// deploy installs a package.
	// +optional
	Deploy *DeployStep `json:"deploy,omitempty"`
}

// Step is one authored unit of the process: a script (run), a package (deploy), or a rolling step (steps).
//
// +kubebuilder:validation:XValidation:rule="[has(self.run), has(self.deploy), has(self.steps)].exists_one(x, x)",message="a step needs exactly one of run, deploy and steps"
// +kubebuilder:validation:XValidation:rule="!has(self.steps) || (!has(self.timeout) && !has(self.outputs))",message="timeout and outputs belong to the child steps of a rolling step"
type Step struct {
	// name of the step, a DNS label that is unique in the whole process.
	Name StepName `json:"name"`
	// roles of the targets that the step addresses; without it, all of the environment.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	Roles []Role `json:"roles,omitempty"`
	// window is how many targets are in flight at once: a number or a per cent. Default: all for a plain step, 1 for
	// a rolling one. As one target finishes, the next by name begins.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:Pattern=`^([1-9][0-9]?|100)%$`
	// +kubebuilder:validation:XValidation:rule="self > 0 || (self != 0 && self > '')",message="window must be a number from 1 or a per cent from 1% to 100%"
	Window *intstr.IntOrString `json:"window,omitempty"`

	StepModifiers `json:",inline"`

	// steps makes this a rolling step: its children run in order on one target before that target's place in the
	// window goes to the next.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Steps []ChildStep `json:"steps,omitempty"`
}

// ChildStep is a step within a rolling step.
//
// +kubebuilder:validation:XValidation:rule="has(self.run) != has(self.deploy)",message="a child step needs exactly one of run and deploy"
type ChildStep struct {
	// name of the step, a DNS label that is unique in the whole process.
	Name StepName `json:"name"`

	StepModifiers `json:",inline"`
}

// ProjectSpec says what is deployed, and how.
type ProjectSpec struct {
	// packages that the steps deploy.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Packages []ProjectPackage `json:"packages,omitempty"`
	// variables that scripts and steps use.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=256
	Variables []Variable `json:"variables,omitempty"`
	// settings decide the edge cases of a run.
	// +optional
	// +kubebuilder:default:={}
	Settings ProjectSettings `json:"settings,omitempty"`
	// history says how much of the past is kept.
	// +optional
	// +kubebuilder:default:={}
	History ProjectHistory `json:"history,omitempty"`
	// steps are the process, in order.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Steps []Step `json:"steps"`
}

// Problem is something wrong in a spec that the schema could not see.
type Problem struct {
	// path of the field, for example spec.steps[1].run.env[0].value.
	// +kubebuilder:validation:MaxLength=256
	Path string `json:"path"`
	// message says what is wrong and what to write instead.
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message"`
}

// ProjectStatus is what the operator found.
type ProjectStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// processDigest names the process as it is now: write it into a Release's spec.processDigest to mean exactly
	// this one.
	// +optional
	ProcessDigest string `json:"processDigest,omitempty"`
	// problems are what is wrong in the spec.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Problems []Problem `json:"problems,omitempty"`
	// conditions: Ready, Reconciling, Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Project is what is deployed and how: its packages, variables, and the process, its steps in order.
// In documents and scripts write `mproj` or `projects.mantle.dev`; plain `projects` may mean another product's.
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
	// spec is what you want.
	Spec ProjectSpec `json:"spec"`
	// status is what the operator found.
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
