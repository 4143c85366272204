// Package scope decides which value of a variable applies to a target, and validates in a project what the schema
// cannot. It is pure: the caller gives a function that reads the values of Secrets and ConfigMaps.
//
// Validate lists the problems of a spec, each with the path of the field and the remedy. References lists the Secrets and
// ConfigMaps that the spec names; Digest identifies what a release freezes of it. When an action is prepared, Resolve
// evaluates all variables for one target, and Expand evaluates one string field with them.
//
// A value applies if every list of its scope that is not empty has a matching entry. Of the values that apply the most
// specific is used: one that names targets before one that names roles, before one that names environments, before one
// without a scope; between equals, the one that names more kinds. Two values that are equally specific and can apply to
// the same target are a problem. Validate assumes that different roles belong to different targets; for a target that
// has both, Resolve returns ErrTie.
//
// Resolve omits a variable that has no value in the scope or that refers to an output that does not exist (yet),
// because most steps do not need it; Expand returns an error for a text that refers to it. An output without an index
// is the output on the same target. So the step that reads it must come later and must not address a target that the
// other step does not address.
package scope
