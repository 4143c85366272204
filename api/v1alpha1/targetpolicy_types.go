package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// HealthCheckType is how the health of a target is found out.
// +kubebuilder:validation:Enum=Connectivity;Script
type HealthCheckType string

// The types of health check.
const (
	// HealthCheckConnectivity connects and says hello.
	HealthCheckConnectivity HealthCheckType = "Connectivity"
	// HealthCheckScript runs the policy's script; exit code 0 is healthy.
	HealthCheckScript HealthCheckType = "Script"
)

// HealthCheck says how and how often targets are looked at.
//
// +kubebuilder:validation:XValidation:rule="!has(self.type) || self.type != 'Script' || has(self.bash) || has(self.powershell)",message="healthCheck of type Script needs bash or powershell: the script to run"
type HealthCheck struct {
	// interval between looks, 5m unless given, at least 10s. 0s means never, and never means never.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]+([.][0-9]+)?(ms|s|m|h))+)$') && (duration(self) == duration('0s') || (duration(self) >= duration('10s') && duration(self) <= duration('720h')))",message="interval must be 0s (never) or from 10s to 720h, for example 5m"
	Interval *metav1.Duration `json:"interval,omitempty"`
	// type is Connectivity (connect and say hello, the default) or Script.
	// +optional
	// +kubebuilder:default=Connectivity
	Type HealthCheckType `json:"type,omitempty"`
	// bash is the script for machines with Bash. Exit code 0 is healthy.
	// +optional
	// +kubebuilder:validation:MaxLength=65536
	Bash string `json:"bash,omitempty"`
	// powershell is the script for Windows machines.
	// +optional
	// +kubebuilder:validation:MaxLength=65536
	PowerShell string `json:"powershell,omitempty"`
	// timeout of the script, 1m unless given.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('1h')",message="timeout must be from 1s to 1h, for example 1m"
	Timeout *metav1.Duration `json:"timeout,omitempty"`
}

// Connection says how patient the operator is with a machine.
type Connection struct {
	// connectTimeout for one try to connect, 10s unless given.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('100ms') && duration(self) <= duration('2m')",message="connectTimeout must be from 100ms to 2m, for example 10s"
	ConnectTimeout *metav1.Duration `json:"connectTimeout,omitempty"`
	// retryDuration is how long a step is offered to a machine that does not answer before it counts as
	// unavailable, 1m unless given.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]+([.][0-9]+)?(ms|s|m|h))+)$') && duration(self) >= duration('0s') && duration(self) <= duration('1h')",message="retryDuration must be from 0s to 1h, for example 1m"
	RetryDuration *metav1.Duration `json:"retryDuration,omitempty"`
}

// TargetPolicySpec holds the settings.
type TargetPolicySpec struct {
	// healthCheck says how and how often targets are looked at.
	// +optional
	HealthCheck *HealthCheck `json:"healthCheck,omitempty"`
	// connection says how patient the operator is.
	// +optional
	Connection *Connection `json:"connection,omitempty"`
}

// TargetPolicy holds settings that many targets share. A target names it in spec.policy.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=mantle,shortName=tpol
// +kubebuilder:printcolumn:name="Check",type=string,JSONPath=`.spec.healthCheck.type`
// +kubebuilder:printcolumn:name="Interval",type=string,JSONPath=`.spec.healthCheck.interval`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="metadata.name must have at most 63 characters"
type TargetPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is what you want.
	Spec TargetPolicySpec `json:"spec"`
}

// TargetPolicyList is a list of policies.
//
// +kubebuilder:object:root=true
type TargetPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TargetPolicy `json:"items"`
}
