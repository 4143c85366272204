//go:build unix

package process

// AdoptOrphans makes this process the parent of what its descendants leave behind, where the system can, so that Descendants
// returns it.
func AdoptOrphans() { adoptOrphans() }

// Descendants returns the living processes that descend from this one, in whatever session.
func Descendants() []int { return dependants() }
