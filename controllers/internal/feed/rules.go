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

// check refuses what the text of a URL already gives away.
func (f *Fetcher) check(u *url.URL) error {
	refuse := func(why string) error { return &RefusedError{URL: shown(u), Why: why} }
	if u.User != nil {
		return refuse("credentials in a url are readable by everybody who can read the project; take them out")
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
		return refuse("names inside the cluster are not fetched from, unless --package-allow-cidr names their addresses")
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
		return &RefusedError{URL: shown(u), Why: "file: is off; use https, or start the operator with --package-root"}
	case u.Host != "" && u.Host != "localhost":
		return &RefusedError{URL: shown(u), Why: "a file: url has no host; write file:///path"}
	default:
		return nil
	}
}

const remedy = " is not fetched from, unless --package-allow-cidr names it"

func (f *Fetcher) rules() addresses.Rules {
	return addresses.Rules{Allow: f.config.AllowCIDRs, Deny: f.config.DenyAddresses}
}

// deny says why an address is not dialled, or nothing.
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

// dial checks every address just before it is dialled: what a name resolves to is the name owner's choice. A name is
// taken as it is written: a pod's search list would find `db.shop` inside the cluster.
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
		return nil, fmt.Errorf("%w; no search list is asked, so write the whole name", err)
	}
	return conn, err
}

// transport uses no proxy, as a proxy would dial in its place.
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
