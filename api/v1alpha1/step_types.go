package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Shell is the interpreter that runs a script.
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
	// name is the name of the environment variable, for example DB_HOST.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	Name string `json:"name"`
	// value is the value of the environment variable. $(name) in it is replaced by the value of that variable of the
	// project, for example $(db.host); $$(name) gives the text $(name).
	// +kubebuilder:validation:MaxLength=16384
	Value string `json:"value"`
}

// RunStep runs a script on the machine. The operator does not change the script: values reach it as environment variables
// and in the file that $MANTLE_VARIABLES names. A script gives an output by appending a line name=value to the file that
// $MANTLE_OUTPUT names; for a value of several lines it appends name<<END, the lines, and a line END, which can be any word.
type RunStep struct {
	// shell is the interpreter that runs the script: Bash, PowerShell or Python.
	Shell Shell `json:"shell"`
	// script is the text of the script, at most 128 KiB. It runs as it is written; $(name) in it is not replaced. The step
	// succeeds if the exit code is 0.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=131072
	Script string `json:"script"`
	// env is the list of environment variables for the script, at most 64.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Env []EnvVar `json:"env,omitempty"`
	// user is the name of the account on the machine that the script runs as, for example app. Default: the account that
	// the Tentacle runs scripts as. The owner of the machine must allow it: the Tentacle must have the rights to become that
	// user, or sudo must grant them, and the policy of the machine must not forbid it. It is not supported on Windows.
	// $(name) in it is replaced by the value of that variable of the project, which must not come from a Secret.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.contains('$(') || self.matches(r'^[0-9]*[A-Za-z_\\\\][A-Za-z0-9_.@\\\\-]*[$]?$')",message="user must be the name of an account, for example app; not a number"
	User string `json:"user,omitempty"`
	// workingDir is the absolute path of the directory on the machine that the script starts in, without . and .. in it,
	// for example /srv/app. The directory must exist. Default: a new directory, which is removed when the script has ended.
	// $(name) in it is replaced by the value of that variable of the project, which must not come from a Secret, for
	// example $(steps.install.outputs.package.directory).
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.contains('$(') || self.matches(r'^(/|[A-Za-z]:[/\\\\]|\\\\\\\\)')",message="workingDir must be an absolute path, for example /srv/app"
	WorkingDir string `json:"workingDir,omitempty"`
}

// DeployStep installs a package into a new directory on the machine and then switches the link named current to it. It
// does nothing if the same content with the same variables is installed already.
type DeployStep struct {
	// package is the name of one of the packages in spec.packages, for example web.
	Package StepName `json:"package"`
}

// StepCondition says whether a step runs after an earlier step has failed.
// +kubebuilder:validation:Enum=Success;Failure;Always
type StepCondition string

// The conditions of a step.
const (
	ConditionSuccess StepCondition = "Success"
	ConditionFailure StepCondition = "Failure"
	ConditionAlways  StepCondition = "Always"
)

// StepModifiers are the fields that a step has at the top level and in a rolling step.
type StepModifiers struct {
	// condition says whether the step runs after a failure: Success runs it only if no earlier step of the run has failed,
	// Failure only if one has, Always in both cases. For a child of a rolling step only the earlier children on the same
	// target count. Default: Success.
	// +optional
	// +kubebuilder:default=Success
	Condition StepCondition `json:"condition,omitempty"`
	// timeout is how long the step may take on one target, counted from its start there, as a duration from 1s to 168h, for
	// example 90s, 10m or 1h30m. After that the script is ended and the step fails. Default: 1h.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('168h')",message="timeout must be from 1s to 168h, for example 10m"
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// outputs are the names of the values that the step gives to later steps, at most 32, for example [slot]. A later step
	// reads the output slot of a step named pick as $(steps.pick.outputs.slot).
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	Outputs []OutputName `json:"outputs,omitempty"`
	// run makes the step run a script on each target.
	// +optional
	Run *RunStep `json:"run,omitempty"`
	// deploy makes the step install a package on each target.
	// +optional
	Deploy *DeployStep `json:"deploy,omitempty"`
}

// Step is one step of the process. It has exactly one of run (a script), deploy (a package) and steps (a rolling step).
//
// +kubebuilder:validation:XValidation:rule="[has(self.run), has(self.deploy), has(self.steps)].exists_one(x, x)",message="a step needs exactly one of run, deploy and steps"
// +kubebuilder:validation:XValidation:rule="!has(self.steps) || (!has(self.timeout) && !has(self.outputs))",message="timeout and outputs belong to the child steps of a rolling step"
type Step struct {
	// name is the name of the step: lower-case letters, digits and hyphens, for example restart-web. It must be unique among
	// all steps of the process, the children of rolling steps included.
	Name StepName `json:"name"`
	// roles selects the targets of the step: those that have at least one of these roles, for example [web]. Default: all
	// targets of the environment.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	Roles []Role `json:"roles,omitempty"`
	// window is how many targets the step runs on at the same time: a number, for example 5, or a percentage of the targets
	// that it addresses, for example "20%". When one target has ended, the next one by name begins. Default: 1 for a rolling
	// step, all targets for any other.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:Pattern=`^([1-9][0-9]?|100)%$`
	// +kubebuilder:validation:XValidation:rule="self > 0 || (self != 0 && self > '')",message="window must be a number from 1 or a per cent from 1% to 100%"
	Window *intstr.IntOrString `json:"window,omitempty"`

	StepModifiers `json:",inline"`

	// steps makes this a rolling step: all its children, from 1 to 16, run in order on one target before the next target
	// begins. window says how many targets do so at the same time.
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
	// name is the name of the step: lower-case letters, digits and hyphens, for example restart-web. It must be unique among
	// all steps of the process, the children of rolling steps included.
	Name StepName `json:"name"`

	StepModifiers `json:",inline"`
}
