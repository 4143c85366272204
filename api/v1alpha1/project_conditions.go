package v1alpha1

// The reasons of a Project's conditions.
const (
	// ReasonValid surfaces when the spec was read whole and nothing is wrong in it.
	ReasonValid = "Valid"
	// ReasonInvalid surfaces when the spec has problems; status.problems lists them.
	ReasonInvalid = "Invalid"
	// ReasonSecretNotFound surfaces while a Secret, or a key in it, that the spec names is not there.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonConfigMapNotFound surfaces while a ConfigMap, or a key in it, that the spec names is not there.
	ReasonConfigMapNotFound = "ConfigMapNotFound"
)
