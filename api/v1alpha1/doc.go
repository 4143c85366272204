// Package v1alpha1 holds the kinds of Mantle: what people and Git write (targets, environments,
// projects, releases, bindings) and what the operator writes (runs and their slices).
//
// Per kind there are <kind>_types.go (the shape, from which the CRD and `kubectl explain` are made),
// <kind>.go (methods: defaults and small questions) and <kind>_conditions.go (the conditions and reasons
// that its status may carry). What the schema can refuse it refuses at `kubectl apply`; what needs
// parsing makes the object Stalled. The types are shared by pointer through caches: treat what a
// client returned as read-only and DeepCopy before a change.
//
// +kubebuilder:object:generate=true
// +groupName=mantle.dev
package v1alpha1
