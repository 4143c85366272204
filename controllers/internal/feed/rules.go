package feed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/mantledeploy/mantle/controllers/internal/addresses"
)

// check returns an error if the text of a URL shows that it is refused.
func (f *Fetcher) check(u *url.URL) error {
	refuse := func(why string) error { return &RefusedError{URL: shown(u), Why: why} }
	if u.User != nil {
		return refuse("everybody who can read the project can read credentials in a url; remove them")
	}
	switch u.Scheme {
	case "file":
		return f.checkFile(u)
	case "https":
	default:
		return refuse("only https is fetched")
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if host == "" {
		return refuse("it names no host")
	}
	if addresses.Inside(host) && len(f.config.AllowCIDRs) == 0 { // else its address decides
		return refuse("names inside the cluster are refused, unless --package-allow-cidr contains their addresses")
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if why := f.deny(ip); why != "" {
			return refuse(why)
		}
	}
	return nil
}

func (f *Fetcher) checkFile(u *url.URL) error {
	switch {
	case f.config.Root == "":
		return &RefusedError{URL: shown(u), Why: "file: is disabled; use https, or start the operator with --package-root"}
	case u.Host != "" && u.Host != "localhost":
		return &RefusedError{URL: shown(u), Why: "a file: url has no host; write file:///path"}
	default:
		return nil
	}
}

const remedy = " is refused, unless --package-allow-cidr contains it"

func (f *Fetcher) rules() addresses.Rules {
	return addresses.Rules{Allow: f.config.AllowCIDRs, Deny: f.config.DenyAddresses}
}

// deny returns why an address is refused; empty if it is allowed.
func (f *Fetcher) deny(ip netip.Addr) string {
	switch class := f.rules().Refused(ip); class {
	case "":
		return ""
	case addresses.APIServer:
		return "the API server's address " + ip.Unmap().String() + remedy
	default:
		return "the " + string(class) + " address " + ip.Unmap().String() + remedy
	}
}

// dial checks every address just before it is dialled, because the owner of a name decides what it resolves to. Names are
// resolved as written: with a pod's search list, `db.shop` could be a service in the cluster.
func (f *Fetcher) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("parsing the address %s: %w", address, err)
	}
	inside := addresses.Inside(host)
	dialer := &net.Dialer{Timeout: 30 * time.Second, Resolver: f.resolver, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		peer, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("parsing the address %s: %w", address, err)
		}
		why := f.deny(peer.Addr())
		if inside && !f.rules().Allowed(peer.Addr()) {
			why = "the address " + peer.Addr().String() + " of a name inside the cluster" + remedy
		}
		if why != "" {
			return &RefusedError{URL: address, Why: why}
		}
		return nil
	}}
	conn, err := dialer.DialContext(ctx, network, net.JoinHostPort(addresses.Absolute(host), port))
	var unknown *net.DNSError
	if errors.As(err, &unknown) && unknown.IsNotFound {
		return nil, fmt.Errorf("%w; no search list is used, so write the full name", err)
	}
	return conn, err
}

// transport uses no proxy, because a proxy would dial without the check of addresses.
func (f *Fetcher) transport() *http.Transport {
	return &http.Transport{
		DialContext:            f.dial,
		TLSHandshakeTimeout:    30 * time.Second,
		ResponseHeaderTimeout:  time.Minute,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
	}
}

func (f *Fetcher) redirect(request *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	if request.URL.Scheme != "https" {
		return &RefusedError{URL: shown(request.URL), Why: "a redirect left https"}
	}
	return f.check(request.URL)
}
