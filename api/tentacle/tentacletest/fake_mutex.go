package tentacletest

import (
	"slices"

	"github.com/mantledeploy/mantle/api/tentacle"
)

// mutex is a named lock of readers and writers, fair: who comes later never overtakes who waits. The
// machine's lock guards it.
type mutex struct {
	inside  []*place
	waiting []*place
}

// place is a script's in a mutex. turn is closed when it is inside.
type place struct {
	mutex *mutex
	full  bool
	turn  chan struct{}
}

func (m *machine) mutex(name *string) *mutex {
	n := tentacle.DefaultMutex
	if name != nil && *name != "" {
		n = *name
	}
	if m.mutexes[n] == nil {
		m.mutexes[n] = &mutex{}
	}
	return m.mutexes[n]
}

func (x *mutex) enter(full bool) *place {
	p := &place{mutex: x, full: full, turn: make(chan struct{})}
	x.waiting = append(x.waiting, p)
	x.admit()
	return p
}

// leave frees the place, or gives up waiting for it.
func (p *place) leave() {
	x := p.mutex
	same := func(q *place) bool { return q == p }
	x.inside = slices.DeleteFunc(x.inside, same)
	x.waiting = slices.DeleteFunc(x.waiting, same)
	x.admit()
}

func (x *mutex) admit() {
	for len(x.waiting) > 0 {
		p := x.waiting[0]
		blocked := len(x.inside) > 0 && (p.full || x.inside[0].full)
		if blocked {
			return
		}
		x.waiting = x.waiting[1:]
		x.inside = append(x.inside, p)
		close(p.turn)
	}
}

func (p *place) granted() bool {
	select {
	case <-p.turn:
		return true
	default:
		return false
	}
}
