package scripts

import "sync"

// mutexTable is the named reader/writer mutexes that scripts share a machine by (halibut.md section 6.4).
// Turns come strictly in the order of arrival: a writer that waits is not overtaken by readers.
type mutexTable struct {
	mu     sync.Mutex
	byName map[string]*namedMutex
}

type namedMutex struct {
	holders   int
	exclusive bool // the one holder is a writer
	waiting   []*turn
}

// turn is one script's place at a mutex, from join until leave.
type turn struct {
	name      string
	exclusive bool
	granted   chan struct{} // closed when the turn has come
	held      bool
}

// join takes a place behind all others.
func (m *mutexTable) join(name string, exclusive bool) *turn {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := &turn{name: name, exclusive: exclusive, granted: make(chan struct{})}
	mutex := m.named(name)
	mutex.waiting = append(mutex.waiting, t)
	mutex.grant()
	return t
}

// hold gives the mutex to a script that runs already, whoever else holds it.
func (m *mutexTable) hold(name string, exclusive bool) *turn {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := &turn{name: name, exclusive: exclusive, granted: make(chan struct{})}
	m.named(name).give(t)
	return t
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
		mutex.holders--
		mutex.exclusive = mutex.exclusive && mutex.holders > 0
	}
	for i, other := range mutex.waiting {
		if other == t {
			mutex.waiting = append(mutex.waiting[:i], mutex.waiting[i+1:]...)
			break
		}
	}
	mutex.grant()
	if mutex.holders == 0 && len(mutex.waiting) == 0 {
		delete(m.byName, t.name)
	}
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
		if m.holders > 0 && (next.exclusive || m.exclusive) {
			return
		}
		m.waiting = m.waiting[1:]
		m.give(next)
	}
}

func (m *namedMutex) give(t *turn) {
	m.holders++
	m.exclusive = m.exclusive || t.exclusive
	t.held = true
	close(t.granted)
}
