package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"slices"

	"github.com/mantledeploy/mantle/agent/internal/server"
)

// lookAtPort looks who listens on the port, without connecting to it.
func lookAtPort(ctx context.Context, m Machine) []Finding {
	holders, err := portHolders(ctx, m)
	if err != nil {
		return bad(Warn, "run this as root or as the daemon's user", "who listens on port %d cannot be told: %v", m.Settings.Port(), err)
	}
	if own, err := ownAddresses(); err == nil && len(holders) == 0 && foreign(m.Settings.Listen, own) {
		return bad(Fail, fmt.Sprintf("set 'listen' to an address of this machine, or to ':%d' for all of them, and start the daemon again", m.Settings.Port()),
			"the address of 'listen', %s, is none of this machine's, so the daemon cannot open it", m.Settings.Listen)
	}
	return judgePort(m, holders)
}

// foreign says whether a daemon that is to listen there would need an address that the machine does not have.
func foreign(listen string, own []netip.Addr) bool {
	to, err := netip.ParseAddrPort(listen)
	a := to.Addr().Unmap()
	return err == nil && !a.IsUnspecified() && !a.IsLoopback() && a.Zone() == "" && !slices.Contains(own, a)
}

// holder is a process that listens on the port. PID is 0 where it cannot be told, as for one of another user.
type holder struct {
	pid  int
	name string
}

func (h holder) String() string {
	if h.pid == 0 {
		return "a process that this user cannot see"
	}
	return fmt.Sprintf("%s (process %d)", h.name, h.pid)
}

func judgePort(m Machine, holders []holder) []Finding {
	port := m.Settings.Port()
	for _, h := range holders {
		if m.Running && (h.pid == m.PID || h.pid == 0) {
			return well("the daemon listens on %s; whether operators get through to it is seen from their side (kubectl get dt)", m.Settings.Listen)
		}
	}
	switch {
	case len(holders) > 0 && m.Running:
		return bad(Fail, "end that program or set another 'listen', and start the daemon again", "port %d is held by %s, not by the daemon", port, holders[0])
	case len(holders) > 0:
		return bad(Fail, "end that program (an Octopus Tentacle has the same port), or set another 'listen'", "port %d is held by %s, so the daemon could not open it", port, holders[0])
	case m.Running:
		return bad(Fail, "start the daemon again; its settings were changed while it ran", "the daemon runs, but nothing listens on port %d", port)
	}
	return bad(Fail, "tentacle service start, or tentacle run"+m.At, "nothing listens on port %d", port)
}

func portHolders(ctx context.Context, m Machine) ([]holder, error) {
	if runtime.GOOS == "linux" {
		return procHolders(m.Root, m.Settings.Port())
	}
	taken, err := server.Taken(ctx, m.Settings.Listen)
	if err != nil || !taken {
		return nil, err
	}
	return []holder{{}}, nil
}
