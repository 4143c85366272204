package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// DeploymentTargetSpec is the address of a machine, the certificate by which it is recognised, and what it is used for.
type DeploymentTargetSpec struct {
	// address is the address on which the Tentacle listens: host, host:port or [IPv6]:port, for example 10.20.0.11 or
	// web-1.example.com:10934. The default port is 10933. The operator connects to it; the machine never connects to the
	// operator.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=300
	// +kubebuilder:validation:XValidation:rule="self.matches('^(\\\\[[0-9A-Fa-f:.]+\\\\]|[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?)(:[0-9]{1,5})?$')",message="address must be host, host:port or [IPv6]:port, for example 10.20.0.11:10933"
	Address string `json:"address"`

	// thumbprint identifies the certificate of the Tentacle, as `tentacle show` prints it on the machine: 40 hex digits
	// (SHA-1, as Octopus writes it) or sha256: and 64 hex digits. If it is missing or does not match, nothing is sent to the
	// machine: the target is Untrusted, and status.certificate shows the certificate that was presented. Compare it with
	// the output of `tentacle show`, then write it here.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9A-Fa-f]{40}|sha256:[0-9A-Fa-f]{64})$')",message="thumbprint must be 40 hex digits (SHA-1) or sha256: and 64 hex digits, without colons or spaces; `tentacle show` prints both on the machine"
	Thumbprint string `json:"thumbprint,omitempty"`

	// environments are the names of the Environments that the machine belongs to, from 1 to 32, for example [production].
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Environments []ObjectName `json:"environments"`

	// roles are names for what the machine does, from 1 to 32, for example [web, db]. Steps of a Project select their
	// targets by role.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Roles []Role `json:"roles"`

	// policy is the name of a TargetPolicy, for example linux. Default: none; the operator then checks every five minutes
	// that it can connect to the Tentacle, and no health script runs.
	// +optional
	Policy ObjectName `json:"policy,omitempty"`

	// cordoned excludes the machine from deployments while it is true. Its health is still checked. Default: false.
	// +optional
	Cordoned bool `json:"cordoned,omitempty"`

	// cordonReason is a text that says why the machine is cordoned, for other people to read, for example "disk is being
	// replaced".
	// +optional
	// +kubebuilder:validation:MaxLength=256
	CordonReason string `json:"cordonReason,omitempty"`
}

// TargetHealth says in one word whether the operator can deploy to a target.
type TargetHealth string

// The health of a target.
const (
	// HealthHealthy means reached, trusted both ways, and its health check passed.
	HealthHealthy TargetHealth = "Healthy"
	// HealthHasWarnings means healthy, with a warning.
	HealthHasWarnings TargetHealth = "HasWarnings"
	// HealthUnhealthy means reached, but its health script failed.
	HealthUnhealthy TargetHealth = "Unhealthy"
	// HealthUnavailable means that it could not be reached.
	HealthUnavailable TargetHealth = "Unavailable"
	// HealthUntrusted means that one side does not know the other's certificate.
	HealthUntrusted TargetHealth = "Untrusted"
	// HealthUnknown means that it has not been checked yet.
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

// TentacleInfo is what the Tentacle reports about itself and its machine.
type TentacleInfo struct {
	// version is the version of the Tentacle, for example 0.1.0.
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
	// capabilities are the services and properties that the Tentacle announced.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Capabilities []string `json:"capabilities,omitempty"`
	// flavor is Mantle for a Tentacle of Mantle, and Octopus for a Tentacle of Octopus Deploy.
	// +optional
	Flavor TentacleFlavor `json:"flavor,omitempty"`
	// policy says whether the owner of the machine restricts what operators may do there: None, Advisory (there are rules,
	// but a script could change them) or Enforced. Empty if the Tentacle does not report it.
	// +optional
	Policy MachinePolicy `json:"policy,omitempty"`
}

// TargetCertificate is the certificate that the machine presented.
type TargetCertificate struct {
	// sha1 is the SHA-1 thumbprint of the certificate: 40 hex digits in upper case.
	// +optional
	SHA1 string `json:"sha1,omitempty"`
	// sha256 is the SHA-256 thumbprint of the certificate: sha256: and 64 hex digits. It is set once the certificate matched
	// spec.thumbprint; from then on the machine must present this certificate.
	// +optional
	SHA256 string `json:"sha256,omitempty"`
	// subject is the subject name in the certificate, for example CN=Octopus Tentacle.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Subject string `json:"subject,omitempty"`
	// notAfter is the expiry time in the certificate. An expired certificate is still accepted.
	// +optional
	NotAfter *metav1.Time `json:"notAfter,omitempty"`
}

// InstalledPhase is how a deployment to a machine ended.
type InstalledPhase string

// The phases of an installed release.
const (
	// InstalledSucceeded means that all steps that address the machine succeeded.
	InstalledSucceeded InstalledPhase = "Succeeded"
	// InstalledFailed means that a step failed there.
	InstalledFailed InstalledPhase = "Failed"
	// InstalledIncomplete means that it began and did not reach its end.
	InstalledIncomplete InstalledPhase = "Incomplete"
)

// InstalledRelease is the last deployment of a project, in one environment, to a machine.
type InstalledRelease struct {
	// project is the name of the Project that was deployed.
	Project string `json:"project"`
	// environment is the name of the Environment that it was deployed to.
	Environment string `json:"environment"`
	// release is the version that was deployed, for example 1.4.2.
	// +optional
	Release string `json:"release,omitempty"`
	// snapshot is the name of the ControllerRevision with the frozen process that was carried out.
	// +optional
	Snapshot string `json:"snapshot,omitempty"`
	// run is the name of the DeploymentRun that deployed it.
	// +optional
	Run string `json:"run,omitempty"`
	// runUID is the metadata.uid of the DeploymentRun that deployed it.
	// +optional
	RunUID types.UID `json:"runUID,omitempty"`
	// phase is Succeeded, Failed (a step failed on this machine) or Incomplete (the deployment began and did not reach its
	// end).
	// +optional
	Phase InstalledPhase `json:"phase,omitempty"`
	// time is when the deployment to this machine ended.
	// +optional
	Time *metav1.Time `json:"time,omitempty"`
	// steps are the names of the top-level steps that addressed the machine. If a step that is not among them addresses the
	// machine today, the machine counts as outdated.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=63
	Steps []string `json:"steps,omitempty"`
}

// JournalRead says when the journal of a machine was read. The journal is the file on the machine that records what was
// deployed there.
type JournalRead struct {
	// time is when the journal was read.
	Time metav1.Time `json:"time"`
	// certificate is the SHA-256 thumbprint that the machine presented when the journal was read.
	Certificate string `json:"certificate"`
}

// DeploymentTargetStatus is what the operator knows about a machine.
type DeploymentTargetStatus struct {
	// observedGeneration is the metadata.generation that the operator saw when it last wrote this status. While it is
	// smaller than metadata.generation, the status describes an earlier spec.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// environments is spec.environments in one line, for the column of kubectl get.
	// +optional
	Environments string `json:"environments,omitempty"`
	// roles is spec.roles in one line, for the column of kubectl get.
	// +optional
	Roles string `json:"roles,omitempty"`
	// health says in one word whether the operator can deploy to the machine: Healthy, HasWarnings, Unhealthy (its health
	// check failed), Unavailable (it could not be reached), Untrusted (one side does not accept the other's certificate) or
	// Unknown (it has not been checked yet). The condition Ready says why.
	// +optional
	Health TargetHealth `json:"health,omitempty"`
	// summary is the health in one line, for the column of kubectl get: `Healthy`, or `Healthy,Cordoned`.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Summary string `json:"summary,omitempty"`
	// tentacle is what the Tentacle reports about itself and its machine.
	// +optional
	Tentacle *TentacleInfo `json:"tentacle,omitempty"`
	// certificate is the certificate that the machine presented last.
	// +optional
	Certificate *TargetCertificate `json:"certificate,omitempty"`
	// installed is what was deployed to the machine: one row for each project and environment, at most 32.
	// +optional
	// +listType=map
	// +listMapKey=project
	// +listMapKey=environment
	// +kubebuilder:validation:MaxItems=32
	Installed []InstalledRelease `json:"installed,omitempty"`
	// journalRead says when the operator last read the journal, the machine's own record of what was deployed to it.
	// +optional
	JournalRead *JournalRead `json:"journalRead,omitempty"`
	// lastHealthCheck is when the health of the machine was last checked. While nothing changes it is written only every 30
	// minutes, though checks are made more often.
	// +optional
	LastHealthCheck *metav1.Time `json:"lastHealthCheck,omitempty"`
	// lastHandledCheck is the value of the annotation mantle.dev/check for which a health check was made.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	LastHandledCheck string `json:"lastHandledCheck,omitempty"`
	// conditions describe the machine. Ready is True if it can be deployed to. Reconciling is True while it is being
	// checked. Stalled is True if the spec must be changed. Reachable, Trusted and HealthCheckPassed are the parts of a
	// health check. EnvironmentsFound is True if every Environment of spec.environments exists.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// DeploymentTarget is one machine to deploy to. A Tentacle listens on the machine, and the operator connects to it.
// Listed by `kubectl get dt`.
//
// To have its health checked now, set the annotation mantle.dev/check to any new value.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=mantle,shortName=dt
// +kubebuilder:selectablefield:JSONPath=`.spec.policy`
// +kubebuilder:selectablefield:JSONPath=`.status.health`
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
	// spec is the address of the machine, the certificate by which it is recognised, and what it is used for.
	Spec DeploymentTargetSpec `json:"spec"`
	// status is what the operator knows about the machine.
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
