package tentacletest

import "github.com/mantledeploy/mantle/api/tentacle"

// longestLine is how long a line is, in bytes, that becomes one entry: on Octopus's Tentacles a line of any length does, in
// so far as this process has the memory.
func (m *machine) longestLine() int {
	if m.octopus() {
		return 64 << 20
	}
	return 16 * tentacle.MaxEntry
}
