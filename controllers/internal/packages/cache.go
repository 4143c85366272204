package packages

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/feed"
)

// State is how far a package is.
type State string

// The states of a package.
const (
	// Ready means that the archive is on disk.
	Ready State = "Ready"
	// Pending means that it is being fetched.
	Pending State = "Pending"
	// Failed means that the last try did not bring it; the error tells why, and when it is tried again.
	Failed State = "Failed"
)

// maxEntries bounds how many packages of one namespace are asked for at once, with those whose failure is remembered.
const maxEntries = 4096

// errMany refuses a package for now.
var errMany = fmt.Errorf("more than %d packages are asked for in this namespace; it waits until there are fewer", maxEntries)

// ErrChanged is wrapped where the archive's digest is not the one that was asked for.
var ErrChanged = errors.New("the archive is another one now")

// Ref names a package, and its archive once the digest is known.
type Ref = feed.Ref

// RefOf names a package that a release in this namespace has resolved.
func RefOf(namespace string, p v1alpha1.ResolvedPackage) Ref {
	return Ref{Namespace: namespace, Feed: p.Feed, ID: p.ID, Version: p.Version, Digest: p.Digest}
}

// Package is an archive as it was found. Digests are `sha256:` and 64 hex digits; Size is that of the archive as
// published, in bytes.
type Package struct {
	Digest, ContentDigest, Format string
	Size                          int64
}

// Owner is an object that asks for packages.
type Owner struct {
	Kind string
	types.NamespacedName
	UID types.UID
}

// Config of a Cache.
type Config struct {
	Dir  string
	Feed feed.Feed
	// MaxBytes on disk; 0 is 20 GiB. A package that is needed and that was dropped is fetched again.
	MaxBytes int64
	// Workers fetch at once; 0 is 8. One namespace has at most half of them.
	Workers int
	// RetryAfter is how long a failure is remembered; 0 is 15 s, doubling up to 5 min for each further failure.
	RetryAfter time.Duration
	// Notify is called, on a goroutine of the cache, when something an owner asked for has ended.
	Notify func(Owner)
	// Fetched is told of every fetch that has ended: how long it took, and how many bytes it brought.
	Fetched func(took time.Duration, bytes int64, err error)
	Now     func() time.Time
}

// Cache holds archives.
type Cache struct {
	config Config
	ctx    context.Context
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	entries map[Ref]*entry
	// owned are the entries of each owner, and held how many a namespace has.
	owned map[types.UID]map[Ref]*entry
	held  map[string]int
	turns *turns
	store *store
	swept time.Time
}

// Open makes the folder and takes up what lies in it.
func Open(config Config) (*Cache, error) {
	config.MaxBytes = cmp.Or(config.MaxBytes, 20<<30)
	config.Workers = cmp.Or(config.Workers, 8)
	config.RetryAfter = cmp.Or(config.RetryAfter, 15*time.Second)
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Fetched == nil {
		config.Fetched = func(time.Duration, int64, error) {}
	}
	store, err := openStore(config.Dir, config.MaxBytes)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	return &Cache{config: config, ctx: ctx, stop: stop, entries: map[Ref]*entry{}, owned: map[types.UID]map[Ref]*entry{},
		held: map[string]int{}, turns: newTurns(config.Workers), store: store}, nil
}

// Close ends the fetches under way and waits for them.
func (c *Cache) Close() {
	c.stop()
	c.done.Wait()
}

// Ensure answers what is known of a package and sees that it is fetched where it is not there. It never waits; the owner
// is notified when it is worth asking again, until it is released. A Failed state comes with the error and is tried again
// at the next call after its time.
func (c *Cache) Ensure(owner Owner, ref Ref) (Package, State, error) {
	ref = named(ref)
	refused := c.config.Feed.Check(ref)
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.config.Now()
	c.sweep(now)
	e := c.entries[ref]
	if p, ok := c.ready(ref, e); ok {
		e = c.entry(ref)
		c.own(owner, e)
		e.pkg = p
		c.store.use(p.Digest, now)
		return p, Ready, nil
	}
	if refused != nil {
		return Package{}, Failed, refused
	}
	if e == nil && c.held[ref.Namespace] >= maxEntries {
		return Package{}, Failed, errMany
	}
	e = c.entry(ref)
	c.own(owner, e)
	if !e.pending && e.err != nil && now.Before(e.again) {
		return Package{}, Failed, e.err
	}
	if !e.pending {
		e.pending = true
		c.turns.push(e)
		c.startNext()
	}
	return Package{}, Pending, nil
}

// ready gives what this reference has fetched by itself, and what is still there.
func (c *Cache) ready(ref Ref, e *entry) (Package, bool) {
	switch {
	case e != nil && e.pending:
		return Package{}, false
	case ref.Digest != "":
		return c.store.of(ref, ref.Digest)
	case e != nil && e.err == nil && e.pkg.Digest != "":
		return c.store.of(ref, e.pkg.Digest)
	}
	return Package{}, false
}

// RetryAt is when a failed package is tried again, zero where it is not failed.
func (c *Cache) RetryAt(ref Ref) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[named(ref)]
	switch {
	case e != nil && e.err != nil && !e.pending:
		return e.again
	case e == nil && c.held[ref.Namespace] >= maxEntries:
		return c.config.Now().Add(c.config.RetryAfter)
	default:
		return time.Time{}
	}
}

// Open gives the archive as published. The reference has a digest, and was Ready before.
func (c *Cache) Open(ref Ref) (io.ReadCloser, error) {
	c.mu.Lock()
	_, ok := c.store.of(named(ref), ref.Digest)
	c.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("opening package %s %s: it is not in the cache", ref.ID, ref.Version)
	}
	file, err := os.Open(c.store.path(ref.Digest))
	if err != nil {
		return nil, fmt.Errorf("opening package %s: %w", ref.Digest, err)
	}
	return file, nil
}

// Release ends what the cache does for an owner.
func (c *Cache) Release(owner types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.config.Now()
	for _, e := range c.owned[owner] {
		delete(e.owners, owner)
		if len(e.owners) == 0 && e.cancel != nil {
			e.cancel()
		}
		c.dropIdle(e, now)
	}
	delete(c.owned, owner)
}

// named is the reference by which a package is known.
func named(ref Ref) Ref {
	ref.Feed = cmp.Or(ref.Feed, feed.TypeURL)
	return ref
}

// backoff is how long failures are remembered.
func (c *Cache) backoff() wait.Backoff {
	return wait.Backoff{Duration: c.config.RetryAfter, Factor: 2, Jitter: 0.1, Steps: 10, Cap: max(5*time.Minute, c.config.RetryAfter)}
}
