package run

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// space has the runs of a namespace that an event may concern, so that it needs not go through all of them.
type space struct {
	// live has the runs that a change of a target can concern: those with a ledger, and those that wait until targets show the
	// result of another.
	live map[types.NamespacedName]*remembered
	// starting has the runs that are being started, until their first actions were dispatched.
	starting map[types.NamespacedName]*remembered
	// waiting has the runs that wait for the actions of others, the oldest first.
	waiting []*remembered
}

// spaceOf returns the space of a namespace; an empty one if there is none. The lock is held.
func (m *memory) spaceOf(namespace string) *space {
	if s := m.spaces[namespace]; s != nil {
		return s
	}
	return &space{live: map[types.NamespacedName]*remembered{}, starting: map[types.NamespacedName]*remembered{}}
}

// place puts a run into its space, according to what is known of it. It must be called after each change. The lock is held.
func (m *memory) place(known *remembered) {
	s := m.spaceOf(known.name.Namespace)
	set := func(in map[types.NamespacedName]*remembered, is bool) {
		if delete(in, known.name); is {
			in[known.name] = known
		}
	}
	set(s.live, known.active != nil || known.recording)
	set(s.starting, known.entering || known.created != nil || known.active != nil && !known.begun)
	switch at, found := s.find(known); {
	case found && known.room == nil:
		s.waiting = slices.Delete(s.waiting, at, at+1)
	case !found && known.room != nil:
		s.waiting = slices.Insert(s.waiting, at, known)
	}
	m.spaces[known.name.Namespace] = s
	if len(s.live)+len(s.starting)+len(s.waiting) == 0 {
		delete(m.spaces, known.name.Namespace)
	}
}

// find returns how many of the waiting runs are older than a run, and whether it is one of them itself.
func (s *space) find(run *remembered) (before int, found bool) {
	return slices.BinarySearchFunc(s.waiting, run, func(a, b *remembered) int { return byAge(a.born, a.name.Name, b.born, b.name.Name) })
}

// byAge compares two runs: the older one is first, and of two of the same time, the one whose name is first.
func byAge(a time.Time, aName string, b time.Time, bName string) int {
	return cmp.Or(a.Compare(b), cmp.Compare(aName, bName))
}

// remove removes the run of a name. The lock is held.
func (m *memory) remove(name types.NamespacedName) {
	known := m.runs[name]
	if known == nil {
		return
	}
	delete(m.runs, name)
	m.place(&remembered{name: known.name, born: known.born}) // it is in no part of its space
}

// runsOf returns the runs that a change of the target of this name can concern: the active ones that have it, and those that
// wait until targets show the result of another run.
func (m *memory) runsOf(namespace, target string) []types.NamespacedName {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []types.NamespacedName
	for name, known := range m.spaceOf(namespace).live {
		if known.recording || known.active.ledger.Has(target) {
			names = append(names, name)
		}
	}
	return names
}
