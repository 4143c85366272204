package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// DeploymentTargetSpec says where a machine is, how it is known, and what it is for.
type DeploymentTargetSpec struct {
	// address is where the Tentacle listens: `host`, `host:port` or `[IPv6]:port`. The port is 10933 unless
	// given. The operator connects to it; the machine never connects to the operator.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=300
	// +kubebuilder:validation:XValidation:rule="self.matches('^(\\\\[[0-9A-Fa-f:.]+\\\\]|[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?)(:[0-9]{1,5})?$')",message="address must be host, host:port or [IPv6]:port, for example 10.20.0.11:10933"
	Address string `json:"address"`

	// thumbprint is the pin of the Tentacle's certificate, as `tentacle show` prints it on the machine: 40
	// hex digits (SHA-1, as Octopus writes it) or `sha256:` and 64. Without it nothing is sent to the
	// machine: the target is Untrusted, and its status shows the certificate that was presented, to compare
	// with the machine and to commit here.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9A-Fa-f]{40}|sha256:[0-9A-Fa-f]{64})$')",message="thumbprint must be 40 hex digits (SHA-1) or sha256: and 64 hex digits, without colons or spaces; `tentacle show` prints both on the machine"
	Thumbprint string `json:"thumbprint,omitempty"`

	// environments are the names of the Environments that this machine belongs to.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Environments []ObjectName `json:"environments"`

	// roles say what the machine does there (`web`, `db`). Steps choose their targets by role.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Roles []Role `json:"roles"`

	// policy is the name of a TargetPolicy. Without it: health by connectivity, every five minutes.
	// +optional
	Policy ObjectName `json:"policy,omitempty"`

	// cordoned takes the machine out of deployments while true. Its health is still looked at.
	// +optional
	Cordoned bool `json:"cordoned,omitempty"`

	// cordonReason tells others why.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	CordonReason string `json:"cordonReason,omitempty"`
}

// TargetHealth is the short answer to "can I deploy to it?".
type TargetHealth string

// The health of a target.
const (
	// HealthHealthy means reached, trusted both ways, and its health check passed.
	HealthHealthy TargetHealth = "Healthy"
	// HealthHasWarnings means healthy, with something to look at.
	HealthHasWarnings TargetHealth = "HasWarnings"
	// HealthUnhealthy means reached, but its health script failed.
	HealthUnhealthy TargetHealth = "Unhealthy"
	// HealthUnavailable means that it could not be reached.
	HealthUnavailable TargetHealth = "Unavailable"
	// HealthUntrusted means that one side does not know the other's certificate.
	HealthUntrusted TargetHealth = "Untrusted"
	// HealthUnknown means that nobody has looked yet.
	HealthUnknown TargetHealth = "Unknown"
)

// TentacleFlavor tells whose Tentacle answers.
type TentacleFlavor string

// The flavors of Tentacle.
const (
	FlavorMantle  TentacleFlavor = "Mantle"
	FlavorOctopus TentacleFlavor = "Octopus"
)

// MachinePolicy tells how binding the policy of a machine's owner is for operators. The operator shows it, and cannot
// change it.
//
// +kubebuilder:validation:Enum=None;Advisory;Enforced
type MachinePolicy string

// The policies of machines.
const (
	// MachinePolicyNone means that operators may do what the user of the machine's scripts can.
	MachinePolicyNone MachinePolicy = "None"
	// MachinePolicyAdvisory means that there is a policy, which a script could change, as it runs as the daemon's user.
	MachinePolicyAdvisory MachinePolicy = "Advisory"
	// MachinePolicyEnforced means that there is a policy which scripts cannot change.
	MachinePolicyEnforced MachinePolicy = "Enforced"
)

// TentacleInfo is what the daemon says of itself.
type TentacleInfo struct {
	// version of the Tentacle.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`
	// os is the machine's operating system, for example linux.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	OS string `json:"os,omitempty"`
	// arch is the machine's architecture, for example amd64.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Arch string `json:"arch,omitempty"`
	// capabilities are the services and facts that it announced.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Capabilities []string `json:"capabilities,omitempty"`
	// flavor is Mantle or Octopus.
	// +optional
	Flavor TentacleFlavor `json:"flavor,omitempty"`
	// policy tells whether the machine's owner holds operators to rules: None, Advisory (a script could change them) or
	// Enforced. Empty where the Tentacle does not tell.
	// +optional
	Policy MachinePolicy `json:"policy,omitempty"`
}

// TargetCertificate is the certificate that the machine presented.
type TargetCertificate struct {
	// sha1 thumbprint, 40 upper-case hex digits.
	// +optional
	SHA1 string `json:"sha1,omitempty"`
	// sha256 thumbprint: `sha256:` and 64 hex digits. Set only when the pin matched, and required from then on.
	// +optional
	SHA256 string `json:"sha256,omitempty"`
	// subject of the certificate.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Subject string `json:"subject,omitempty"`
	// notAfter is when the certificate says it ends. Nobody refuses it for that.
	// +optional
	NotAfter *metav1.Time `json:"notAfter,omitempty"`
}

// InstalledPhase tells how a release came onto a machine.
type InstalledPhase string

// The phases of an installed release.
const (
	// InstalledSucceeded means that all steps that address the machine ended well.
	InstalledSucceeded InstalledPhase = "Succeeded"
	// InstalledFailed means that a step failed there.
	InstalledFailed InstalledPhase = "Failed"
	// InstalledIncomplete means that it began and did not reach its end.
	InstalledIncomplete InstalledPhase = "Incomplete"
)

// InstalledRelease is what a project in an environment last did on a machine.
type InstalledRelease struct {
	// project that was deployed.
	Project string `json:"project"`
	// environment that it was deployed to.
	Environment string `json:"environment"`
	// release is the version.
	// +optional
	Release string `json:"release,omitempty"`
	// snapshot is the ControllerRevision with the frozen process.
	// +optional
	Snapshot string `json:"snapshot,omitempty"`
	// run is the name of the DeploymentRun.
	// +optional
	Run string `json:"run,omitempty"`
	// runUID identifies the DeploymentRun.
	// +optional
	RunUID types.UID `json:"runUID,omitempty"`
	// phase is Succeeded, Failed or Incomplete.
	// +optional
	Phase InstalledPhase `json:"phase,omitempty"`
	// time is when it ended there.
	// +optional
	Time *metav1.Time `json:"time,omitempty"`
	// steps are the names of the top-level steps that addressed the target. A step that addresses it now and is not
	// among them makes the target outdated.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=63
	Steps []string `json:"steps,omitempty"`
}

// JournalRead says when, and of which machine, the journal on the machine was read.
type JournalRead struct {
	// time of the reading.
	Time metav1.Time `json:"time"`
	// certificate is the thumbprint (SHA-256) that the machine presented then.
	Certificate string `json:"certificate"`
}

// DeploymentTargetStatus is what the operator found out about a machine.
type DeploymentTargetStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// environments of the spec in one line, as a column of kubectl shows them.
	// +optional
	Environments string `json:"environments,omitempty"`
	// roles of the spec in one line, as a column of kubectl shows them.
	// +optional
	Roles string `json:"roles,omitempty"`
	// health is the short answer; the conditions tell why.
	// +optional
	Health TargetHealth `json:"health,omitempty"`
	// summary is the health in one line, as a column of kubectl shows it: `Healthy`, or `Healthy,Cordoned`.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Summary string `json:"summary,omitempty"`
	// tentacle is what the daemon says of itself.
	// +optional
	Tentacle *TentacleInfo `json:"tentacle,omitempty"`
	// certificate as the machine presented it.
	// +optional
	Certificate *TargetCertificate `json:"certificate,omitempty"`
	// installed is what runs there: one row for each project and environment.
	// +optional
	// +listType=map
	// +listMapKey=project
	// +listMapKey=environment
	// +kubebuilder:validation:MaxItems=32
	Installed []InstalledRelease `json:"installed,omitempty"`
	// journalRead says when the machine's own journal was read last.
	// +optional
	JournalRead *JournalRead `json:"journalRead,omitempty"`
	// lastHealthCheck is when somebody last looked. It is refreshed at most every 30 minutes while nothing changes.
	// +optional
	LastHealthCheck *metav1.Time `json:"lastHealthCheck,omitempty"`
	// lastHandledCheck is the value of the annotation mantle.dev/check that a health check was made for.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	LastHandledCheck string `json:"lastHandledCheck,omitempty"`
	// conditions: Ready, Reconciling, Stalled, Reachable, Trusted, HealthCheckPassed, EnvironmentsFound.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// DeploymentTarget is one machine to deploy to. A Tentacle listens there; the operator connects to it.
//
// To have its health checked now, set the annotation mantle.dev/check to any new value.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=mantle,shortName=dt
// +kubebuilder:printcolumn:name="Environments",type=string,JSONPath=`.status.environments`
// +kubebuilder:printcolumn:name="Roles",type=string,JSONPath=`.status.roles`
// +kubebuilder:printcolumn:name="Health",type=string,JSONPath=`.status.summary`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.tentacle.version`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Address",type=string,priority=1,JSONPath=`.spec.address`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="metadata.name must have at most 63 characters"
type DeploymentTarget struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is what you want.
	Spec DeploymentTargetSpec `json:"spec"`
	// status is what the operator found.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status DeploymentTargetStatus `json:"status,omitempty"`
}

// DeploymentTargetList is a list of targets.
//
// +kubebuilder:object:root=true
type DeploymentTargetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DeploymentTarget `json:"items"`
}
