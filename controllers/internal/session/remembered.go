package session

import (
	"k8s.io/utils/lru"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// maxRemembered bounds of how many machines something is remembered between two connections.
const maxRemembered = 10_000

// remembered is what is known of a machine between two connections.
type remembered struct {
	session halibut.TLSSession
	// facts are those of a Mantle Tentacle, else nil. They are valid if the session is resumed: it then is the same process.
	facts *tentacle.Facts
}

// memory remembers machines. It is safe for concurrent use, but two changes of one machine at the same time can lose one,
// which costs another request or a full handshake.
type memory struct{ machines *lru.Cache }

func newMemory() *memory { return &memory{lru.New(maxRemembered)} }

func (m *memory) get(key endpointKey) remembered {
	if known, ok := m.machines.Get(key); ok {
		return known.(remembered) //nolint:forcetypeassert // the cache has no other values
	}
	return remembered{}
}

func (m *memory) setFacts(key endpointKey, facts *tentacle.Facts) {
	known := m.get(key)
	if known.facts = facts; facts == nil {
		m.machines.Remove(key)
		return
	}
	m.machines.Add(key, known)
}

// sessions is the halibut.Sessions of one identity.
type sessions struct {
	*memory
	clientKey
}

func (s sessions) key(ep halibut.Endpoint) endpointKey {
	ep.StreamPause = 0 // which depends on the facts and is not in the key
	return endpointKey{s.clientKey, ep}
}

// Load implements halibut.Sessions. Only Mantle Tentacles are trusted to know the operator's certificate when they resume.
func (s sessions) Load(ep halibut.Endpoint) (halibut.TLSSession, bool) {
	known := s.get(s.key(ep))
	return known.session, known.facts != nil
}

// Store implements halibut.Sessions.
func (s sessions) Store(ep halibut.Endpoint, session halibut.TLSSession) {
	known := s.get(s.key(ep))
	known.session = session
	s.machines.Add(s.key(ep), known)
}

// Delete implements halibut.Sessions.
func (s sessions) Delete(ep halibut.Endpoint) { s.machines.Remove(s.key(ep)) }
