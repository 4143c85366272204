package feed

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// TypeURL is the type of the built-in feed, whose IDs are URLs with `{version}`.
const TypeURL = "url"

// Ref names a package of a namespace as its feed knows it.
type Ref struct {
	Namespace string
	// Feed that has it; empty is TypeURL.
	Feed string
	// ID of the package in the feed, and its version.
	ID, Version string
	// Digest that the archive must have, as `sha256:` and 64 hex digits; empty where it is not known yet.
	Digest string
}

// Feed gives packages. It is safe for concurrent use.
type Feed interface {
	// Check refuses what the reference alone tells is refused. It does no I/O; the error is a RefusedError.
	Check(ref Ref) error
	// Fetch writes the archive as it is published.
	Fetch(ctx context.Context, ref Ref, w io.Writer) error
}

// Registry has a Feed for each type. It is one itself.
type Registry map[string]Feed

// Check refuses a reference to a feed that is not there, and what its feed refuses.
func (r Registry) Check(ref Ref) error {
	f, err := r.of(ref)
	if err != nil {
		return err
	}
	return f.Check(ref)
}

// Fetch writes what the reference's feed gives.
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

// Check says whether the URL may be fetched, as far as its text tells.
func (u URLs) Check(ref Ref) error { return u.Fetcher.Check(Expand(ref)) }

// Fetch writes what the URL gives.
func (u URLs) Fetch(ctx context.Context, ref Ref, w io.Writer) error {
	return u.Fetcher.Fetch(ctx, Expand(ref), w)
}

// Expand puts the version, escaped as a path segment, into the ID.
func Expand(ref Ref) string {
	return strings.ReplaceAll(ref.ID, "{version}", url.PathEscape(ref.Version))
}
