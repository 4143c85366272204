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

// RefusedError says why an address must not be dialled. It is only for the operator's log; tenants must not see it.
type RefusedError struct {
	Address string
	Class   Class
}

// Error returns a message for the log.
func (e *RefusedError) Error() string { return fmt.Sprintf("%s is refused (%s)", e.Address, e.Class) }

// Check returns a *RefusedError if the address must not be dialled.
func (r Rules) Check(address netip.AddrPort) error {
	if class := r.Refused(address.Addr()); class != "" {
		return &RefusedError{Address: address.String(), Class: class}
	}
	return nil
}

// Resolver resolves the names of machines.
type Resolver struct {
	Rules
	// Lookup queries the DNS. Search are the domains that are appended to short names.
	Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	Search []string
	// Logger logs why a name was refused.
	Logger *slog.Logger
}

// NewResolver returns a Resolver with the configuration of this machine.
func NewResolver(rules Rules, logger *slog.Logger) *Resolver {
	config, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		config = nil // then there is no search list
	}
	return &Resolver{Rules: rules, Lookup: (&net.Resolver{PreferGo: true}).LookupNetIP, Search: searchList(string(config)), Logger: logger}
}

// Resolve returns the addresses of a name. For a name inside the cluster it returns only explicitly allowed addresses;
// if there is none, or the name does not exist, the error is halibut.ErrAddressRefused. It applies the search list
// itself, because with a pod's search list the resolver would find `db.shop` as a service of the cluster.
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
	if len(r.Allow) > 0 { // otherwise no lookup is needed
		found, err := r.Lookup(ctx, network, host)
		allowed = slices.DeleteFunc(found, func(a netip.Addr) bool { return err != nil || !r.Allowed(a) })
	}
	if len(allowed) == 0 {
		r.Logger.Debug("refused a name", "host", host, "class", InCluster)
		return nil, halibut.ErrAddressRefused
	}
	return allowed, nil
}

// searchList returns the search domains of a resolv.conf; the last line counts.
func searchList(config string) (domains []string) {
	for line := range strings.Lines(config) {
		if fields := strings.Fields(line); len(fields) > 1 && (fields[0] == "search" || fields[0] == "domain") {
			domains = fields[1:]
		}
	}
	return domains[:min(len(domains), 32)]
}
