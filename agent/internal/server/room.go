package server

import (
	"fmt"
	"sync"
)

// room is the free space of a home, and what of it is not to be taken.
type room struct {
	// dir is the home, for those who are to make room there, and free what is free in it.
	dir  string
	free func() (int64, error)
	// reserve is what must be free, in bytes, for a script to be started.
	reserve int64

	mu sync.Mutex
	// promises are the calls under way that were admitted with content.
	promises map[*promise]bool
}

// lackError says that bytes more must be free.
type lackError struct {
	bytes int64
	text  string
}

// Error is the line that the operator gets.
func (e *lackError) Error() string { return e.text }

// promise is what a call of an operator is still going to take of the disk.
type promise struct {
	operator string
	left     func() int64
}

// admit refuses the streams of a call for which the disk has no room, before they are transferred: they are
// spooled first and then written to their place. They must leave what a script needs to be started, but uploads where no script
// could be started anyway. The refusal
// is a *lackError, which may pass, and says so by being no FinalError. What is admitted keeps room for what is left of it, until release.
func (r *room) admit(operator, method string, size int64, left func() int64) (release func(), err error) {
	const margin = 1 << 20
	if size <= 0 {
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	own, others := r.promised(operator) // first, as what is written meanwhile is then counted twice, and not never
	free, err := r.free()
	if err != nil {
		return nil, err
	}
	reserve := int64(margin)
	if method == "StartScript" || free >= r.reserve {
		reserve += r.reserve
	}
	// Who announces much and sends it slowly, or never, must not keep the others from their work.
	taken := own + min(others, max(free-reserve, 0)/2)
	if (free-taken-reserve)/2 < size {
		besides := ""
		if taken > 0 {
			besides = fmt.Sprintf(", %d MiB of them for what is being received already", taken>>20)
		}
		return nil, &lackError{bytes: 2*size + taken + reserve - free, text: fmt.Sprintf(
			"low disk space on this machine: %d MiB are free at %s%s, and receiving %d MiB needs twice as much and %d MiB besides; make room and try again",
			free>>20, r.dir, besides, size>>20, reserve>>20)}
	}
	p := &promise{operator: operator, left: left}
	if r.promises == nil {
		r.promises = map[*promise]bool{}
	}
	r.promises[p] = true
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.promises, p)
	}, nil
}

// promised is what calls under way are still going to take: those of an operator, and those of all others.
func (r *room) promised(operator string) (own, others int64) {
	for p := range r.promises {
		if p.operator == operator {
			own += p.left()
		} else {
			others += p.left()
		}
	}
	return own, others
}

// low is how many MiB are free where they are too few to start a script, else nil.
func (r *room) low() *int64 {
	free, err := r.free()
	if err != nil || free >= r.reserve {
		return nil
	}
	free >>= 20
	return &free
}
