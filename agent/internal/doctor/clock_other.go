//go:build !linux

package doctor

// synchronisedClock is not known on this system.
func synchronisedClock() (known, synchronised bool) { return false, false }
