package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/controllers/internal/turns"
)

// ErrBusy is wrapped in the error for a machine that was not dialled because too many others were. It says nothing about
// the machine.
var ErrBusy = errors.New("too many machines are being dialled")

const (
	// defaultConnect bounds one attempt to connect if the policy sets no timeout.
	defaultConnect = 10 * time.Second
	// dialQueue bounds how long a dial waits for its turn.
	dialQueue = 5 * time.Minute
	// maxAddresses bounds how many addresses of one name are tried.
	maxAddresses = 16
)

// admit bounds how many connections are being established at once, handshakes included; the namespaces take turns. The
// wait for a turn does not count against the machine's connect timeout. The error wraps ErrBusy.
func admit(ctx context.Context, gate *turns.Gate, namespace string) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, dialQueue)
	defer cancel()
	if err := gate.Enter(ctx, namespace); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBusy, err)
	}
	return func() { gate.Leave(namespace) }, nil
}

// dial connects to an address if Config.Allow allows it.
func (p *Pool) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if p.config.Allow == nil {
		return p.config.DialContext(ctx, network, address)
	}
	allowed, err := p.allowed(ctx, address)
	if err != nil {
		return nil, err
	}
	return p.dialAny(ctx, network, allowed)
}

// allowed returns the addresses of a machine that Config.Allow allows. Why others are refused is only logged: to the
// author of the address all refusals must look the same.
func (p *Pool) allowed(ctx context.Context, address string) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("reading the port of %s: %w", address, err)
	}
	addresses, err := p.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	var allowed []netip.AddrPort
	for _, a := range addresses {
		to := netip.AddrPortFrom(a.Unmap(), uint16(port))
		if err := p.config.Allow(to); err != nil {
			p.config.Logger.Info("refused an address", "address", address, "resolved", to.String(), "why", err)
			continue
		}
		if allowed = append(allowed, to); len(allowed) == maxAddresses {
			break
		}
	}
	if len(allowed) == 0 {
		return nil, halibut.ErrAddressRefused
	}
	return allowed, nil
}

func (p *Pool) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	return p.config.Resolve(ctx, "ip", host)
}

// dialAny connects to the first address that answers. The remaining addresses share the remaining time, so that one that
// never answers does not use all of it.
func (p *Pool) dialAny(ctx context.Context, network string, addresses []netip.AddrPort) (net.Conn, error) {
	var first error
	for i, a := range addresses {
		conn, err := p.dialOne(ctx, network, a, len(addresses)-i)
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

func (p *Pool) dialOne(ctx context.Context, network string, a netip.AddrPort, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	return p.config.DialContext(ctx, network, a.String())
}
