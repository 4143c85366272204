package v1alpha1

// KeySelector names a key of a Secret or ConfigMap in the same namespace.
type KeySelector struct {
	// name of the Secret or ConfigMap.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// key in it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key string `json:"key"`
}

// ValueSource takes a variable's value from another object when it is used.
//
// +kubebuilder:validation:XValidation:rule="has(self.secretKeyRef) != has(self.configMapKeyRef)",message="valueFrom needs exactly one of secretKeyRef and configMapKeyRef"
type ValueSource struct {
	// secretKeyRef makes the variable sensitive: it is read when it is used, and is never in a status, an
	// event, a log or a release.
	// +optional
	SecretKeyRef *KeySelector `json:"secretKeyRef,omitempty"`
	// configMapKeyRef is read when it is used.
	// +optional
	ConfigMapKeyRef *KeySelector `json:"configMapKeyRef,omitempty"`
}

// VariableScope says where a value holds. Entries of one list are alternatives; different lists are joined.
type VariableScope struct {
	// environments in which the value holds.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	Environments []ObjectName `json:"environments,omitempty"`
	// roles of targets for which the value holds.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	Roles []Role `json:"roles,omitempty"`
	// targets for which the value holds.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Targets []ObjectName `json:"targets,omitempty"`
}

// VariableValue is one value of a variable, and where it holds.
//
// +kubebuilder:validation:XValidation:rule="has(self.value) != has(self.valueFrom)",message="a variable's value needs exactly one of value and valueFrom"
type VariableValue struct {
	// value as text. `$(name)` in it is replaced by that variable; `$$(name)` stands for itself.
	// +optional
	// +kubebuilder:validation:MaxLength=16384
	Value *string `json:"value,omitempty"`
	// valueFrom takes the value from a Secret or ConfigMap when it is used.
	// +optional
	ValueFrom *ValueSource `json:"valueFrom,omitempty"`
	// scope says where this value holds; without it, everywhere. The most specific wins: target, then role,
	// then environment.
	// +optional
	Scope *VariableScope `json:"scope,omitempty"`
}

// Variable has a name and values of which one holds at a time.
type Variable struct {
	// name of the variable, for example db.host. Names ignore case.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_.-]*$`
	Name string `json:"name"`
	// values of which the most specific one holds.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Values []VariableValue `json:"values"`
}
