package feed

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// TypeURL is the type of the built-in feed. Its IDs are URLs with `{version}`.
const TypeURL = "url"

// Ref identifies a package of a namespace in its feed.
type Ref struct {
	Namespace string
	// Feed is the type of the feed; empty means TypeURL.
	Feed string
	// ID of the package in the feed, and its version.
	ID, Version string
	// Digest that the archive must have, as `sha256:` and 64 hex digits; empty if it is not known yet.
	Digest string
}

// Feed fetches packages. It must be safe for concurrent use.
type Feed interface {
	// Check returns a *RefusedError if the reference itself shows that it is refused. It does no I/O.
	Check(ref Ref) error
	// Fetch writes the archive as published.
	Fetch(ctx context.Context, ref Ref, w io.Writer) error
}

// Registry contains a Feed for each type. It implements Feed.
type Registry map[string]Feed

// Check refuses a reference to an unknown feed, and what its feed refuses.
func (r Registry) Check(ref Ref) error {
	f, err := r.of(ref)
	if err != nil {
		return err
	}
	return f.Check(ref)
}

// Fetch calls the reference's feed.
func (r Registry) Fetch(ctx context.Context, ref Ref, w io.Writer) error {
	f, err := r.of(ref)
	if err != nil {
		return err
	}
	return f.Fetch(ctx, ref, w)
}

func (r Registry) of(ref Ref) (Feed, error) {
	name := cmp.Or(ref.Feed, TypeURL)
	if f := r[name]; f != nil {
		return f, nil
	}
	return nil, &RefusedError{URL: ref.ID, Why: fmt.Sprintf("this operator has no feed %s", name)}
}

// URLs is the built-in feed: the ID of a package is its URL.
type URLs struct {
	*Fetcher
}

// Check calls Fetcher.Check.
func (u URLs) Check(ref Ref) error { return u.Fetcher.Check(Expand(ref)) }

// Fetch calls Fetcher.Fetch.
func (u URLs) Fetch(ctx context.Context, ref Ref, w io.Writer) error {
	return u.Fetcher.Fetch(ctx, Expand(ref), w)
}

// Expand replaces {version} in the ID with the version, escaped as a path segment.
func Expand(ref Ref) string {
	return strings.ReplaceAll(ref.ID, "{version}", url.PathEscape(ref.Version))
}
