package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// HealthCheckType is how the health of a target is found out.
// +kubebuilder:validation:Enum=Connectivity;Script
type HealthCheckType string

// The types of health check.
const (
	// HealthCheckConnectivity connects to the Tentacle and asks for its version.
	HealthCheckConnectivity HealthCheckType = "Connectivity"
	// HealthCheckScript runs the policy's script; exit code 0 is healthy.
	HealthCheckScript HealthCheckType = "Script"
)

// HealthCheck says how and how often the health of targets is checked.
//
// +kubebuilder:validation:XValidation:rule="!has(self.type) || self.type != 'Script' || has(self.bash) || has(self.powershell)",message="healthCheck of type Script needs bash or powershell: the script to run"
type HealthCheck struct {
	// interval is the time between two health checks, as a duration from 10s to 720h, for example 5m. 0s turns health checks
	// off. Default: 5m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]+([.][0-9]+)?(ms|s|m|h))+)$') && (duration(self) == duration('0s') || (duration(self) >= duration('10s') && duration(self) <= duration('720h')))",message="interval must be 0s (never) or from 10s to 720h, for example 5m"
	Interval *metav1.Duration `json:"interval,omitempty"`
	// type is how health is checked: Connectivity connects to the Tentacle and asks for its version; Script also runs the
	// script of this policy. Default: Connectivity.
	// +optional
	// +kubebuilder:default=Connectivity
	Type HealthCheckType `json:"type,omitempty"`
	// bash is the script for machines with Bash, at most 64 KiB. The machine is healthy if the exit code is 0. It is used if
	// type is Script.
	// +optional
	// +kubebuilder:validation:MaxLength=65536
	Bash string `json:"bash,omitempty"`
	// powershell is the script for machines with Windows, at most 64 KiB. The machine is healthy if the exit code is 0. It is
	// used if type is Script.
	// +optional
	// +kubebuilder:validation:MaxLength=65536
	PowerShell string `json:"powershell,omitempty"`
	// timeout is how long the script may take, as a duration from 1s to 1h, for example 30s. After that the machine is
	// Unhealthy. Default: 1m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('1h')",message="timeout must be from 1s to 1h, for example 1m"
	Timeout *metav1.Duration `json:"timeout,omitempty"`
}

// Connection says how long the operator tries to reach a machine.
type Connection struct {
	// connectTimeout is how long one attempt to connect may take, as a duration from 100ms to 2m, for example 10s. Default:
	// 10s.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('100ms') && duration(self) <= duration('2m')",message="connectTimeout must be from 100ms to 2m, for example 10s"
	ConnectTimeout *metav1.Duration `json:"connectTimeout,omitempty"`
	// retryDuration is how long the operator tries to send a step to a machine that does not answer, before the machine
	// counts as unavailable, as a duration from 0s to 1h, for example 1m. Default: 1m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]+([.][0-9]+)?(ms|s|m|h))+)$') && duration(self) >= duration('0s') && duration(self) <= duration('1h')",message="retryDuration must be from 0s to 1h, for example 1m"
	RetryDuration *metav1.Duration `json:"retryDuration,omitempty"`
}

// TargetPolicySpec is the settings for health checks and connections.
type TargetPolicySpec struct {
	// healthCheck says how and how often the health of targets is checked. Default: by connectivity, every five minutes.
	// +optional
	HealthCheck *HealthCheck `json:"healthCheck,omitempty"`
	// connection says how long the operator tries to reach a machine.
	// +optional
	Connection *Connection `json:"connection,omitempty"`
}

// TargetPolicy is settings that many targets share: how their health is checked, and how long the operator tries to reach
// them. A DeploymentTarget names it in spec.policy. Listed by `kubectl get tpol`.
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
	// spec is the settings for health checks and connections.
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
