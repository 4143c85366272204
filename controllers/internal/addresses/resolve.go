package addresses

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/mantledeploy/mantle/api/halibut"
)

// RefusedError says that an address may not be dialled, and why: for the operator's log, and for no tenant.
type RefusedError struct {
	Address string
	Class   Class
}

// Error is for the log.
func (e *RefusedError) Error() string { return fmt.Sprintf("%s is refused (%s)", e.Address, e.Class) }

// Check is a *RefusedError if the address may not be dialled.
func (r Rules) Check(address netip.AddrPort) error {
	if class := r.Refused(address.Addr()); class != "" {
		return &RefusedError{Address: address.String(), Class: class}
	}
	return nil
}

// Resolver looks up the names of machines.
type Resolver struct {
	Rules
	// Lookup asks the DNS, and Search are the domains that short names are completed with.
	Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	Search []string
	// Logger is told why a name was refused.
	Logger *slog.Logger
}

// NewResolver makes a Resolver that asks what this machine asks.
func NewResolver(rules Rules, logger *slog.Logger) *Resolver {
	config, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		config = nil // then short names are completed with nothing
	}
	return &Resolver{Rules: rules, Lookup: (&net.Resolver{PreferGo: true}).LookupNetIP, Search: searchList(string(config)), Logger: logger}
}

// Resolve is the addresses of a name. Those of a name inside the cluster are only the ones that are allowed explicitly;
// if none is, or there is no such name, the error is halibut.ErrAddressRefused. The search list is followed here and not
// by the DNS, as a pod's list completes `db.shop` to a service of the cluster.
func (r *Resolver) Resolve(ctx context.Context, network, host string) ([]netip.Addr, error) {
	found, err := r.lookup(ctx, network, Absolute(host))
	for _, domain := range r.Search {
		if !notFound(err) || strings.HasSuffix(host, ".") {
			break
		}
		more, e := r.lookup(ctx, network, Absolute(host+"."+domain))
		if e == nil || !notFound(e) && !errors.Is(e, halibut.ErrAddressRefused) {
			found, err = more, e
		}
	}
	return found, err
}

func notFound(err error) bool {
	var unknown *net.DNSError
	return errors.As(err, &unknown) && unknown.IsNotFound
}

func (r *Resolver) lookup(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if !Inside(host) {
		return r.Lookup(ctx, network, host)
	}
	var allowed []netip.Addr
	if len(r.Allow) > 0 { // else the DNS need not be asked
		found, err := r.Lookup(ctx, network, host)
		allowed = slices.DeleteFunc(found, func(a netip.Addr) bool { return err != nil || !r.Allowed(a) })
	}
	if len(allowed) == 0 {
		r.Logger.Debug("a name is refused", "host", host, "class", InCluster)
		return nil, halibut.ErrAddressRefused
	}
	return allowed, nil
}

// searchList are the search domains of a resolv.conf; the last line wins.
func searchList(config string) (domains []string) {
	for line := range strings.Lines(config) {
		if fields := strings.Fields(line); len(fields) > 1 && (fields[0] == "search" || fields[0] == "domain") {
			domains = fields[1:]
		}
	}
	return domains[:min(len(domains), 32)]
}
