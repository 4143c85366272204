// Package uptime is a clock that nobody sets: how long the machine has been running.
package uptime

import "time"

// Reading is a moment of one run of the machine.
type Reading struct {
	// Boot names the run. It is empty if the system does not tell.
	Boot string `json:"boot,omitempty"`
	// Up is how long the machine had been running.
	Up time.Duration `json:"up,omitempty"`
}

// Since is how long ago a moment of this run was; false if it was in another one, or that is not known.
func (r Reading) Since(then Reading) (time.Duration, bool) {
	return r.Up - then.Up, r.Boot != "" && r.Boot == then.Boot
}
