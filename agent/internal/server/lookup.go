package server

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
)

// Lookup asks the machine's resolver for the addresses of a name. The daemon never calls it: it is for a person
// who asks whether the name that operators dial is this machine's (tentacle doctor).
func Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found, nil
}

// Taken says whether somebody listens on address, by trying to do so for a moment. The daemon never calls it: it
// is for a person who asks that where the system has no list of sockets to read (tentacle doctor).
func Taken(ctx context.Context, address string) (bool, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err == nil {
		return false, l.Close()
	}
	const windowsInUse = syscall.Errno(10048) // WSAEADDRINUSE, which is not what syscall calls EADDRINUSE there
	if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, windowsInUse) {
		return true, nil
	}
	return false, err
}
