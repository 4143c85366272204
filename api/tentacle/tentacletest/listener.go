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

// Lose is what a restart of Octopus's Tentacle is to its scripts: they go on, and it does not know how they end. Over script
// service V1 it knows nothing of them. The locks that they held are free.
func (f *Fake) Lose() {
	f.machine.lose()
	f.Restart()
}

func (m *machine) lose() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, k := range m.tickets {
		if k.state == tentacle.Complete {
			continue
		}
		if !m.generation.trait().v2 {
			delete(m.tickets, id)
			continue
		}
		lost := m.newTicket(k.owner)
		lost.command, lost.output = k.command, k.output
		close(lost.begun)
		lost.finish(tentacle.ExitUnknownResult)
		m.tickets[id] = lost
	}
	clear(m.mutexes)
}
