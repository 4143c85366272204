package server

import (
	"fmt"
	"sync"

	"github.com/mantledeploy/mantle/agent/internal/home"
)

// room is the free space of a home, and what of it is not to be taken.
type room struct {
	home home.Home
	// reserve is what must be free, in bytes, for a script to be started.
	reserve int64

	mu sync.Mutex
	// promised is what calls under way were admitted with, in bytes: it is going to be taken.
	promised int64
}

// admit refuses the streams of a call for which the disk has no room, before they are transferred: they are
// spooled first and then written to their place. Those of a start must leave what its script needs. The refusal
// may pass, and says so by being no FinalError. What is admitted keeps its room until release.
func (r *room) admit(method string, size int64) (release func(), err error) {
	const margin = 1 << 20
	if size <= 0 {
		return nil, nil
	}
	reserve := int64(margin)
	if method == "StartScript" {
		reserve += r.reserve
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	free, err := r.home.Free()
	if err != nil {
		return nil, err
	}
	others := ""
	if r.promised > 0 {
		others = fmt.Sprintf(", %d MiB of them for what is being received already", r.promised>>20)
	}
	if (free-r.promised-reserve)/2 < size {
		return nil, fmt.Errorf("low disk space on this machine: %d MiB are free at %s%s, and receiving %d MiB needs twice as much and %d MiB besides; make room and try again",
			free>>20, r.home.Dir(), others, size>>20, reserve>>20)
	}
	r.promised += 2 * size
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.promised -= 2 * size
	}, nil
}

// low is how many MiB are free where they are too few to start a script, else nil.
func (r *room) low() *int64 {
	free, err := r.home.Free()
	if err != nil || free >= r.reserve {
		return nil
	}
	free >>= 20
	return &free
}
