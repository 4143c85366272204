package tentacletest

import (
	"context"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// longestLine is how long a line is, in bytes, that becomes one entry: on Octopus's Tentacles a line of any length does, in
// so far as this process has the memory.
func (m *machine) longestLine() int {
	if m.octopus() {
		return 64 << 20
	}
	return 16 * tentacle.MaxEntry
}

// Lose is what a restart of Octopus's Tentacle is to its scripts: they go on, and it does not know how they end. Over script
// service V1 it knows nothing of them. The locks that they held are free. Those that wait for one never begin.
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
		if k.state == tentacle.Pending {
			k.stop()
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

// Limit lets every answer to GetStatus with more entries than most break the connection, as one does that is larger than a
// message can be.
func (f *Fake) Limit(most int) { f.faults.most.Store(int64(most)) }

// over tells whether an answer with so many entries is over the limit.
func (f *faults) over(entries int) bool {
	most := f.most.Load()
	return most > 0 && int64(entries) > most
}

// breakOff breaks the connection that a call came over.
func (f *faults) breakOff(ctx context.Context) error {
	if peer, ok := halibut.PeerFrom(ctx); ok {
		return Drop(ctx, f.connection(peer.Address))
	}
	return errDropped
}
