package v1alpha1

// The reasons of an Environment's conditions.
const (
	// ReasonCounted surfaces when the targets of the environment were counted.
	ReasonCounted = "Counted"
)
