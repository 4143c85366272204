package v1alpha1

// The conditions of a DeploymentTarget beside Ready, Reconciling and Stalled.
const (
	// ConditionReachable is true when the Tentacle answered at the address.
	ConditionReachable = "Reachable"
	// ConditionTrusted is true when each side knows the other's certificate.
	ConditionTrusted = "Trusted"
	// ConditionHealthCheckPassed is true when the health check that the policy asks for passed.
	ConditionHealthCheckPassed = "HealthCheckPassed"
	// ConditionEnvironmentsFound is true when every Environment that spec.environments names is there. A machine belongs to
	// other environments, too, so it stays Ready where one is not.
	ConditionEnvironmentsFound = "EnvironmentsFound"
)

// The reasons of a DeploymentTarget's conditions.
const (
	// ReasonHealthy surfaces when the machine was reached, trust holds both ways, and its health check passed.
	ReasonHealthy = "Healthy"
	// ReasonEnvironmentsFound surfaces when every Environment that spec.environments names is there.
	ReasonEnvironmentsFound = "EnvironmentsFound"
	// ReasonProgressing surfaces while the machine has not been checked since the spec changed.
	ReasonProgressing = "Progressing"
	// ReasonAddressRefused surfaces when the operator is not allowed to connect to the address.
	ReasonAddressRefused = "AddressRefused"
	// ReasonNameNotResolved surfaces when the host of the address has no IP address.
	ReasonNameNotResolved = "NameNotResolved"
	// ReasonNoRoute surfaces when the network has no way to the machine.
	ReasonNoRoute = "NoRoute"
	// ReasonConnectionRefused surfaces when nothing listens on the port.
	ReasonConnectionRefused = "ConnectionRefused"
	// ReasonConnectTimedOut surfaces when the machine does not answer on the port, as a firewall that drops does.
	ReasonConnectTimedOut = "ConnectTimedOut"
	// ReasonTLSTimedOut surfaces when the connection was accepted and then nothing was said.
	ReasonTLSTimedOut = "TLSTimedOut"
	// ReasonTLSFailed surfaces when what listens there does not speak TLS as a Tentacle does.
	ReasonTLSFailed = "TLSFailed"
	// ReasonThumbprintMissing surfaces when spec.thumbprint is empty.
	ReasonThumbprintMissing = "ThumbprintMissing"
	// ReasonThumbprintMismatch surfaces when the presented certificate is not the one of spec.thumbprint.
	ReasonThumbprintMismatch = "ThumbprintMismatch"
	// ReasonOperatorNotTrusted surfaces when the machine closes the connection because its owner has not trusted this operator.
	ReasonOperatorNotTrusted = "OperatorNotTrusted"
	// ReasonNoAnswer surfaces when the peer is silent after TLS.
	ReasonNoAnswer = "NoAnswer"
	// ReasonProtocolError surfaces when the peer does not speak Halibut.
	ReasonProtocolError = "ProtocolError"
	// ReasonIdentityLost surfaces when the namespace's identity Secret is gone or belongs to an earlier namespace.
	ReasonIdentityLost = "IdentityLost"
	// ReasonHealthScriptFailed surfaces when the policy's health script ended with a non-zero exit code.
	ReasonHealthScriptFailed = "HealthScriptFailed"
	// ReasonHealthScriptMissing surfaces when the policy has no health script for the machine's system.
	ReasonHealthScriptMissing = "HealthScriptMissing"
	// ReasonLowDisk surfaces when the machine says that it has too little free disk space to start a script.
	ReasonLowDisk = "LowDisk"
	// ReasonHealthCheckError surfaces when the health or inventory step could not be run to its end.
	ReasonHealthCheckError = "HealthCheckError"
	// ReasonTentacleUnsupported surfaces when the Tentacle lacks a service that the operator needs.
	ReasonTentacleUnsupported = "TentacleUnsupported"
	// ReasonEngineTooOld surfaces when the Tentacle's engine is older than the operator's plans.
	ReasonEngineTooOld = "EngineTooOld"
	// ReasonEngineUnavailable surfaces when a Tentacle has no Mantle engine and the operator has none for its system.
	ReasonEngineUnavailable = "EngineUnavailable"
	// ReasonTargetPolicyNotFound surfaces when the named TargetPolicy is not there.
	ReasonTargetPolicyNotFound = "TargetPolicyNotFound"
	// ReasonInvalidAddress surfaces when the address cannot be parsed.
	ReasonInvalidAddress = "InvalidAddress"
)
