package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The limits of one fetch.
const (
	DefaultMaxBytes = 4 << 30
	DefaultTimeout  = 30 * time.Minute
	maxRedirects    = 5
)

// RefusedError says that the operator does not fetch this URL. Trying again does not help.
type RefusedError struct {
	URL, Why string
}

// Error returns the URL without its query, which may contain a token, and the remedy.
func (e *RefusedError) Error() string { return fmt.Sprintf("%s is refused: %s", e.URL, e.Why) }

// TooLargeError says that the package is larger than the limit, in bytes.
type TooLargeError struct {
	Limit int64
}

// Error returns a message with the limit.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the package is larger than %d bytes (--package-max-bytes)", e.Limit)
}

// Config configures a Fetcher.
type Config struct {
	// AllowCIDRs are ranges of addresses that are allowed although they would be refused.
	AllowCIDRs []netip.Prefix
	// DenyAddresses are refused in addition to the built-in ranges: the API server's.
	DenyAddresses []netip.Addr
	// Root is the folder below which file: URLs are allowed; if it is empty they are refused.
	Root string
	// MaxBytes of one package; 0 means DefaultMaxBytes.
	MaxBytes int64
	// Timeout of one fetch; 0 means DefaultTimeout.
	Timeout time.Duration
}

// Fetcher fetches packages.
type Fetcher struct {
	config   Config
	client   *http.Client
	resolver *net.Resolver
}

// New returns a Fetcher.
func New(config Config) *Fetcher {
	if config.MaxBytes == 0 {
		config.MaxBytes = DefaultMaxBytes
	}
	if config.Timeout == 0 {
		config.Timeout = DefaultTimeout
	}
	f := &Fetcher{config: config, resolver: &net.Resolver{PreferGo: true}} // the same on every system
	f.client = &http.Client{Transport: f.transport(), CheckRedirect: f.redirect}
	return f
}

// Check returns a *RefusedError if the text of a URL shows that it is refused. It does no I/O.
func (f *Fetcher) Check(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return &RefusedError{URL: "the url", Why: "it cannot be parsed; write https://host/path"}
	}
	return f.check(u)
}

// Fetch writes the content of a URL to w.
func (f *Fetcher) Fetch(ctx context.Context, raw string, w io.Writer) error {
	u, err := url.Parse(raw)
	if err != nil {
		return &RefusedError{URL: "the url", Why: "it cannot be parsed; write https://host/path"}
	}
	if err := f.check(u); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, f.config.Timeout)
	defer cancel()
	if u.Scheme == "file" {
		return f.fetchFile(u, w)
	}
	return f.fetchHTTP(ctx, u, w)
}

func (f *Fetcher) fetchHTTP(ctx context.Context, u *url.URL, w io.Writer) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return fmt.Errorf("building the request for %s: %w", shown(u), err)
	}
	// The digest of a package is that of the published file, without any content encoding.
	request.Header.Set("Accept-Encoding", "identity")
	response, err := f.client.Do(request)
	if err != nil {
		return plain(u, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("fetching %s: the server answered %s", shown(u), response.Status)
	}
	return f.copy(w, response.Body, shown(u))
}

// plain removes the URL, whose query may contain a token, from the client's error.
func plain(u *url.URL, err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var refused *RefusedError
	if errors.As(err, &refused) {
		return refused
	}
	return fmt.Errorf("fetching %s: %w", shown(u), err)
}

func (f *Fetcher) fetchFile(u *url.URL, w io.Writer) error {
	root, err := os.OpenRoot(f.config.Root)
	if err != nil {
		return fmt.Errorf("opening --package-root: %w", err)
	}
	defer root.Close()
	name, err := filepath.Rel(f.config.Root, filepath.FromSlash(u.Path))
	if err != nil || !filepath.IsLocal(name) {
		return &RefusedError{URL: shown(u), Why: "it is not below --package-root"}
	}
	file, err := root.Open(name)
	if err != nil {
		return fmt.Errorf("opening %s: %w", shown(u), errors.Unwrap(err))
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return &RefusedError{URL: shown(u), Why: "it is not a regular file"}
	}
	return f.copy(w, file, shown(u))
}

func (f *Fetcher) copy(w io.Writer, r io.Reader, from string) error {
	n, err := io.Copy(w, io.LimitReader(r, f.config.MaxBytes+1))
	if err != nil {
		return fmt.Errorf("reading %s: %w", from, err)
	}
	if n > f.config.MaxBytes {
		return &TooLargeError{Limit: f.config.MaxBytes}
	}
	return nil
}

// shown returns a URL as it can be shown: without credentials, query and fragment.
func shown(u *url.URL) string {
	return strings.TrimSuffix((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String(), "/")
}
