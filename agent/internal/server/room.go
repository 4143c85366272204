package server

import (
	"fmt"

	"github.com/mantledeploy/mantle/agent/internal/home"
)

// room is the free space of a home, and what of it is not to be taken.
type room struct {
	home home.Home
	// reserve is what must be free, in bytes, for a script to be started.
	reserve int64
}

// admit refuses the streams of a call for which the disk has no room, before they are transferred: they are
// spooled first and then written to their place. Those of a start must leave what its script needs. The refusal
// may pass, and says so by being no FinalError.
func (r room) admit(method string, size int64) error {
	const margin = 1 << 20
	if size <= 0 {
		return nil
	}
	free, err := r.home.Free()
	if err != nil {
		return err
	}
	reserve := int64(margin)
	if method == "StartScript" {
		reserve += r.reserve
	}
	if (free-reserve)/2 < size {
		return fmt.Errorf("low disk space on this machine: %d MiB are free at %s, and receiving %d MiB needs twice as much and %d MiB besides; make room and try again",
			free>>20, r.home.Dir(), size>>20, reserve>>20)
	}
	return nil
}

// low is how many MiB are free where they are too few to start a script, else nil.
func (r room) low() *int64 {
	free, err := r.home.Free()
	if err != nil || free >= r.reserve {
		return nil
	}
	free >>= 20
	return &free
}
