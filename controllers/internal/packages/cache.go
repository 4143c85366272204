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

// State is the state of a package in the cache.
type State string

// The values of State.
const (
	// Ready means that the archive is on disk.
	Ready State = "Ready"
	// Pending means that it is being fetched.
	Pending State = "Pending"
	// Failed means that the last fetch failed; the error says why, and RetryAt when it is retried.
	Failed State = "Failed"
)

// maxEntries bounds how many packages of one namespace have an entry: those that an owner needs, and recent failures.
const maxEntries = 4096

// errMany is the error of a package above maxEntries.
var errMany = fmt.Errorf("more than %d packages are in use in this namespace; the package waits until there are fewer", maxEntries)

// ErrChanged is wrapped in the error for an archive whose digest is not the expected one.
var ErrChanged = errors.New("the archive has changed")

// Ref identifies a package, and its archive if the digest is known.
type Ref = feed.Ref

// RefOf returns the Ref of a package that a release in this namespace has resolved.
func RefOf(namespace string, p v1alpha1.ResolvedPackage) Ref {
	return Ref{Namespace: namespace, Feed: p.Feed, ID: p.ID, Version: p.Version, Digest: p.Digest}
}

// Package describes a fetched archive. Digests are `sha256:` and 64 hex digits; Size is the size of the published
// archive in bytes.
type Package struct {
	Digest, ContentDigest, Format string
	Size                          int64
}

// Owner is an object that needs packages.
type Owner struct {
	Kind string
	types.NamespacedName
	UID types.UID
}

// Config configures a Cache.
type Config struct {
	Dir  string
	Feed feed.Feed
	// MaxBytes on disk; 0 means 20 GiB. A package that was deleted and is needed is fetched again.
	MaxBytes int64
	// Workers is the number of concurrent fetches; 0 means 8. One namespace has at most half of them.
	Workers int
	// RetryAfter is the pause before a failed fetch is retried; 0 means 15 s. It doubles with each failure up to 5 min.
	RetryAfter time.Duration
	// Notify is called, in a goroutine of the cache, when a fetch for an owner has ended.
	Notify func(Owner)
	// Fetched is called for every fetch that has ended, with its duration and the size of the archive.
	Fetched func(took time.Duration, bytes int64, err error)
	Now     func() time.Time
}

// Cache stores archives on disk.
type Cache struct {
	config Config
	ctx    context.Context
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	entries map[Ref]*entry
	// owned are the entries of each owner, and held the number of entries of each namespace.
	owned map[types.UID]map[Ref]*entry
	held  map[string]int
	turns *turns
	store *store
	swept time.Time
}

// Open returns a Cache in a folder, with the archives that the folder contains. It creates the folder.
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

// Close cancels the running fetches and waits for them.
func (c *Cache) Close() {
	c.stop()
	c.done.Wait()
}

// Ensure returns a package and its state, and starts a fetch if the package is not in the cache. It never waits: the
// owner is notified when a fetch has ended, until Release. With Failed it returns the error; the first call after
// RetryAt fetches again.
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

// ready returns the package if this reference has fetched it and it is still on disk.
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

// RetryAt returns when a failed package is retried; zero if it has not failed.
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

// Open opens the archive as published. The reference must have a digest, and Ensure must have returned Ready for it.
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

// Release ends the use of packages by an owner, and cancels the fetches that no other owner needs.
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

// named returns the reference with the default feed set.
func named(ref Ref) Ref {
	ref.Feed = cmp.Or(ref.Feed, feed.TypeURL)
	return ref
}

// backoff returns the pauses before retries.
func (c *Cache) backoff() wait.Backoff {
	return wait.Backoff{Duration: c.config.RetryAfter, Factor: 2, Jitter: 0.1, Steps: 10, Cap: max(5*time.Minute, c.config.RetryAfter)}
}
