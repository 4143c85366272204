// Package wish answers what a binding wants and who already has it: which targets are desired, which of
// them are up to date, and what the next run is called. A wish is the snapshot of a release and the
// binding's targets; two bindings with equal wishes want the same.
//
// It is pure: the binding controller asks it whether a run is needed, and the run controller asks it for
// the set of targets when the run begins, so that both always answer alike.
package wish
