// Package variables is the expression language of `$(…)`: it parses text that names variables and outputs, and
// expands it.
//
// Parse splits a text into what stands for itself and references. Where the definitions are known, make an Evaluator
// and ask it for a variable or for the expansion of a text; where only the form matters (is this name known, is there
// a cycle), walk Template.References.
//
// The language is small on purpose. `$(name)` stands for the variable of that name, and names ignore case.
// `$(steps.<step>.outputs.<name>)` stands for what a step gave on the same target, and
// `$(steps.<step>.outputs["<target>"].<name>)` for what it gave on another one. `$$(` stands for `$(`; every other
// dollar stands for itself. A value that is Literal (from a Secret or a ConfigMap, or an output) is never parsed, so
// nobody who can write one can name further variables. A text that takes in a sensitive value is sensitive as a whole.
// Everything is bounded: the length of a text, the length of what it expands to, and how deep variables may refer to
// each other; a cycle is refused by naming it. The package does no I/O, and what it parses may be hostile.
package variables
