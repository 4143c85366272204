package scripts

import (
	"slices"
	"sync"
)

// mutexTable is the named reader/writer mutexes that scripts share a machine by (halibut.md section 6.4).
// Turns come strictly in the order of arrival: a writer that waits is not overtaken by readers.
type mutexTable struct {
	mu     sync.Mutex
	byName map[string]*namedMutex
}

type namedMutex struct {
	holders   []*turn
	exclusive bool // the one holder is a writer
	waiting   []*turn
}

// holder is whose turn it is: the operator, and what it calls its work.
type holder struct{ operator, task string }

// turn is one script's place at a mutex, from join until leave.
type turn struct {
	name      string
	exclusive bool
	who       holder
	granted   chan struct{} // closed when the turn has come
	held      bool
}

// join takes a place behind all others.
func (m *mutexTable) join(r record) *turn {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := newTurn(r)
	mutex := m.named(t.name)
	mutex.waiting = append(mutex.waiting, t)
	mutex.grant()
	return t
}

// hold gives the mutex to a script that runs already, whoever else holds it.
func (m *mutexTable) hold(r record) *turn {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := newTurn(r)
	m.named(t.name).give(t)
	return t
}

func newTurn(r record) *turn {
	return &turn{name: r.Mutex, exclusive: r.Exclusive, who: holder{r.Operator, r.TaskID}, granted: make(chan struct{})}
}

// heldBy are those who have a mutex, in the order in which they got it.
func (m *mutexTable) heldBy(name string) (all []holder) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if mutex := m.byName[name]; mutex != nil {
		for _, t := range mutex.holders {
			all = append(all, t.who)
		}
	}
	return all
}

// leave gives the mutex back, or the place in the queue. nil and a turn that has left are well.
func (m *mutexTable) leave(t *turn) {
	if t == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	mutex := m.byName[t.name]
	if mutex == nil {
		return
	}
	if t.held {
		t.held = false
		mutex.holders = without(mutex.holders, t)
		mutex.exclusive = mutex.exclusive && len(mutex.holders) > 0
	}
	mutex.waiting = without(mutex.waiting, t)
	mutex.grant()
	if len(mutex.holders) == 0 && len(mutex.waiting) == 0 {
		delete(m.byName, t.name)
	}
}

func without(turns []*turn, t *turn) []*turn {
	if i := slices.Index(turns, t); i >= 0 {
		return slices.Delete(turns, i, i+1)
	}
	return turns
}

func (m *mutexTable) named(name string) *namedMutex {
	if m.byName == nil {
		m.byName = map[string]*namedMutex{}
	}
	if m.byName[name] == nil {
		m.byName[name] = &namedMutex{}
	}
	return m.byName[name]
}

func (m *namedMutex) grant() {
	for len(m.waiting) > 0 {
		next := m.waiting[0]
		if len(m.holders) > 0 && (next.exclusive || m.exclusive) {
			return
		}
		m.waiting = m.waiting[1:]
		m.give(next)
	}
}

func (m *namedMutex) give(t *turn) {
	m.holders = append(m.holders, t)
	m.exclusive = m.exclusive || t.exclusive
	t.held = true
	close(t.granted)
}
