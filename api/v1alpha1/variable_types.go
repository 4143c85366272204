package v1alpha1

// KeySelector is a key of a Secret or ConfigMap in the same namespace.
type KeySelector struct {
	// name is the name of the Secret or ConfigMap, in the same namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// key is the key in the data of the Secret or ConfigMap, for example password.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key string `json:"key"`
}

// ValueSource is the place that the value of a variable is read from. It has exactly one of secretKeyRef and
// configMapKeyRef.
//
// +kubebuilder:validation:XValidation:rule="has(self.secretKeyRef) != has(self.configMapKeyRef)",message="valueFrom needs exactly one of secretKeyRef and configMapKeyRef"
type ValueSource struct {
	// secretKeyRef is a key of a Secret. The value is read each time a step needs it. It is never written into a status, an
	// event, a release or the operator's log, and is masked in the output of scripts.
	// +optional
	SecretKeyRef *KeySelector `json:"secretKeyRef,omitempty"`
	// configMapKeyRef is a key of a ConfigMap. The value is read each time a step needs it.
	// +optional
	ConfigMapKeyRef *KeySelector `json:"configMapKeyRef,omitempty"`
}

// VariableScope says where a value applies. It applies to a target that matches one entry of each list that is given.
type VariableScope struct {
	// environments are the names of the Environments in which the value applies, for example [production]. Default: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	Environments []ObjectName `json:"environments,omitempty"`
	// roles are the roles of the targets for which the value applies, for example [web]. Default: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	Roles []Role `json:"roles,omitempty"`
	// targets are the names of the DeploymentTargets for which the value applies, for example [web-1]. Default: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Targets []ObjectName `json:"targets,omitempty"`
}

// VariableValue is one value of a variable, and where it applies. It has exactly one of value and valueFrom.
//
// +kubebuilder:validation:XValidation:rule="has(self.value) != has(self.valueFrom)",message="a variable's value needs exactly one of value and valueFrom"
type VariableValue struct {
	// value is the value as text. $(name) in it is replaced by the value of that variable; $$(name) gives the text $(name).
	// +optional
	// +kubebuilder:validation:MaxLength=16384
	Value *string `json:"value,omitempty"`
	// valueFrom is the key of a Secret or ConfigMap that the value is read from each time a step needs it.
	// +optional
	ValueFrom *ValueSource `json:"valueFrom,omitempty"`
	// scope says where the value applies. Default: everywhere. If several values of a variable apply, the most specific one
	// is used: one for the target, then one for a role, then one for the environment.
	// +optional
	Scope *VariableScope `json:"scope,omitempty"`
}

// Variable is a named value that can differ by environment, role and target.
type Variable struct {
	// name is the name of the variable, for example db.host. Upper and lower case are not distinguished.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_.-]*$`
	Name string `json:"name"`
	// values are the values of the variable, from 1 to 32. For each target, the one with the most specific scope is used.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Values []VariableValue `json:"values"`
}
