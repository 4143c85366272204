package doctor

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/engine"
	"github.com/mantledeploy/mantle/agent/internal/scripts"
	"github.com/mantledeploy/mantle/agent/internal/server"
)

const (
	// lookupPatience is how long a name may take to resolve.
	lookupPatience = 5 * time.Second
	// tight is how many times the limit for starting scripts is still called little space.
	tight = 4
)

// lookAtAddress looks whether the name that operators are told leads to this machine, as seen from here.
func lookAtAddress(ctx context.Context, m Machine) []Finding {
	address := m.Settings.Dialled()
	host := strings.Trim(address[:max(strings.LastIndexByte(address, ':'), 0)], "[]")
	const remedy = "set 'address' to the name or address by which operators reach this machine, or mend the name in DNS; only they can see whether it is open from there"
	ctx, cancel := context.WithTimeout(ctx, lookupPatience)
	defer cancel()
	found, err := server.Lookup(ctx, host)
	if err != nil {
		return bad(Warn, remedy, "%s cannot be resolved on this machine: %v", host, err)
	}
	own, err := ownAddresses()
	if err != nil {
		return bad(Warn, remedy, "%v", err)
	}
	return judgeAddress(address, found, own, remedy)
}

func judgeAddress(address string, found, own []netip.Addr, remedy string) []Finding {
	outside := slices.DeleteFunc(slices.Clone(found), netip.Addr.IsLoopback)
	switch {
	case len(outside) == 0:
		return bad(Warn, remedy, "operators are told to dial %s, which on this machine is loopback: look that it is another address for them", address)
	case !slices.ContainsFunc(outside, func(a netip.Addr) bool { return slices.Contains(own, a) }):
		return bad(Warn, remedy, "operators are told to dial %s, which is %s, and none of this machine's own addresses: right only where something forwards to it", address, outside[0])
	}
	return well("operators are told to dial %s, which is this machine", address)
}

func ownAddresses() ([]netip.Addr, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var all []netip.Addr
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			all = append(all, p.Addr().Unmap())
		}
	}
	return all, nil
}

func lookAtDisk(_ context.Context, m Machine) []Finding {
	free, err := m.Home.Free()
	const remedy = "make room on that disk; what is deployed is kept by the project's retention, packages in Files/mantle may be removed"
	switch {
	case err != nil:
		return bad(Warn, "run this as the user to whom the home belongs", "%v", err)
	case free < scripts.MinFree:
		return bad(Fail, remedy, "%d MiB are free, and below %d MiB no script is started", free>>20, scripts.MinFree>>20)
	case free < tight*scripts.MinFree:
		return bad(Warn, remedy, "%d MiB are free; below %d MiB no script is started, and a package needs twice its size", free>>20, scripts.MinFree>>20)
	}
	return well("%d MiB are free; scripts are started down to %d MiB", free>>20, scripts.MinFree>>20)
}

// lookAtInterpreters looks for what scripts are written in. A machine needs those that its projects use.
func lookAtInterpreters(context.Context, Machine) []Finding {
	var all []Finding
	some := false
	for _, i := range engine.Interpreters() {
		if i.Path != "" {
			some = true
			all = append(all, well("%s: %s", i.Shell, i.Path)...)
			continue
		}
		all = append(all, bad(Warn, i.Remedy+", if scripts for this machine are written in it", "%s: not found on this PATH (the service's may be another)", i.Shell)...)
	}
	if !some {
		return bad(Fail, "install bash, PowerShell or Python 3", "no interpreter was found, so no script can run")
	}
	return all
}
