// Package scope knows which value of a variable holds where, and what is wrong in a project that the schema cannot
// see. It is pure: values of Secrets and ConfigMaps come through a function that the caller gives.
//
// Validate lists the problems of a spec, each with the path of the field and what to write instead. References lists
// the Secrets and ConfigMaps that it names, Digest names what a release freezes of it. At an action's turn, Resolve
// works out all variables for one target, and Expand one declared string field with them.
//
// A value holds where every list of its scope that is not empty has an entry that fits. Of those that hold the most
// specific wins: one that names targets before one that names roles, before one that names environments, before one
// without a scope; naming more kinds breaks ties between equals. Two values that are equally specific and can hold for
// the same target are a problem. Different roles are taken to belong to different targets; for a target that has both,
// Resolve refuses to guess.
//
// A variable without a value in the scope, or which takes in an output that is not there (yet), is left out by Resolve,
// as most steps do not need it; Expand refuses a text that does. An output without an index is that of the same target.
// So a step that reads it must come later and must address no target that the other step does not: whatever else
// would be ambiguous.
package scope
