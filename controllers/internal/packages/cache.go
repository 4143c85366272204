package packages

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
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

// ErrChanged is wrapped where the archive's digest is not the one that was asked for.
var ErrChanged = errors.New("the archive is another one now")

// Ref names an archive: by URL, and by digest once that is known.
type Ref struct {
	URL, Digest string
}

// Package is an archive as it was found. Digests are `sha256:` and 64 hex digits; Size is that of the archive as
// published, in bytes.
type Package struct {
	URL, Digest, ContentDigest, Format string
	Size                               int64
}

// Owner is who asked: the kind of an object and its name.
type Owner struct {
	Kind string
	types.NamespacedName
}

// Fetcher is what a Cache fetches with; feed.Fetcher is one.
type Fetcher interface {
	// Check refuses a URL by its text alone.
	Check(url string) error
	// Fetch writes what the URL gives.
	Fetch(ctx context.Context, url string, w io.Writer) error
}

// Config of a Cache.
type Config struct {
	Dir     string
	Fetcher Fetcher
	// MaxBytes on disk; 0 is 20 GiB. A package that a live run needs and that was dropped is fetched again.
	MaxBytes int64
	// Workers fetch at once; 0 is 4.
	Workers int
	// RetryAfter is how long a failure is remembered; 0 is 15 s, doubling up to 5 min for each further failure.
	RetryAfter time.Duration
	// Notify is called, on a goroutine of the cache, when something an owner asked for has ended.
	Notify func(Owner)
	Logger *slog.Logger
	Now    func() time.Time
}

// Cache holds archives.
type Cache struct {
	config Config
	slots  chan struct{}
	ctx    context.Context
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	fetches map[Ref]*fetch
}

// fetch is one archive that is, or was, fetched.
type fetch struct {
	running  bool
	owners   map[Owner]bool
	pkg      Package
	err      error
	failures int
	again    time.Time
}

// Open makes the folder and takes up what lies in it.
func Open(config Config) (*Cache, error) {
	if config.MaxBytes == 0 {
		config.MaxBytes = 20 << 30
	}
	if config.Workers == 0 {
		config.Workers = 4
	}
	if config.RetryAfter == 0 {
		config.RetryAfter = 15 * time.Second
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the package cache: %w", err)
	}
	leftovers, err := filepath.Glob(filepath.Join(config.Dir, "*.part"))
	if err != nil {
		return nil, fmt.Errorf("listing the package cache: %w", err)
	}
	for _, name := range leftovers {
		if err := os.Remove(name); err != nil {
			return nil, fmt.Errorf("clearing the package cache: %w", err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	return &Cache{config: config, slots: make(chan struct{}, config.Workers), ctx: ctx, stop: stop, fetches: map[Ref]*fetch{}}, nil
}

// Close ends the fetches under way and waits for them.
func (c *Cache) Close() {
	c.stop()
	c.done.Wait()
}

// Ensure answers what is known of an archive and sees that it is fetched where it is not there. It never waits;
// the owner is notified when it is worth asking again. A Failed state comes with the error and is tried again at
// the next call after its time.
func (c *Cache) Ensure(owner Owner, ref Ref) (Package, State, error) {
	if ref.Digest != "" {
		if p, err := c.load(ref.Digest); err == nil {
			p.URL = ref.URL
			return p, Ready, nil
		}
	}
	if err := c.config.Fetcher.Check(ref.URL); err != nil {
		return Package{}, Failed, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.fetches[ref]
	if f == nil {
		f = &fetch{owners: map[Owner]bool{}}
		c.fetches[ref] = f
	}
	switch {
	case f.running:
	case f.err != nil && c.config.Now().Before(f.again):
		return Package{}, Failed, f.err
	case f.err == nil && f.pkg.Digest != "" && c.holds(f.pkg.Digest):
		return f.pkg, Ready, nil
	default:
		f.running = true
		c.done.Add(1)
		go c.run(ref, f)
	}
	f.owners[owner] = true
	return Package{}, Pending, nil
}

// RetryAt is when a failed archive is tried again, zero where it is not failed.
func (c *Cache) RetryAt(ref Ref) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.fetches[ref]; f != nil && f.err != nil && !f.running {
		return f.again
	}
	return time.Time{}
}

// Open gives the archive as published.
func (c *Cache) Open(digest string) (io.ReadCloser, error) {
	file, err := os.Open(c.path(digest))
	if err != nil {
		return nil, fmt.Errorf("opening package %s: %w", digest, err)
	}
	return file, nil
}

func (c *Cache) run(ref Ref, f *fetch) {
	defer c.done.Done()
	var p Package
	var err error
	select {
	case c.slots <- struct{}{}:
		p, err = c.fetch(ref)
		<-c.slots
	case <-c.ctx.Done():
		err = c.ctx.Err()
	}
	for owner := range c.ended(f, p, err) {
		c.config.Notify(owner)
	}
}

func (c *Cache) ended(f *fetch, p Package, err error) map[Owner]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.running, f.pkg, f.err = false, p, err
	f.failures++
	if err == nil {
		f.failures = 0
	}
	f.again = c.config.Now().Add(min(c.config.RetryAfter<<min(f.failures, 5)/2, 5*time.Minute))
	owners := f.owners
	f.owners = map[Owner]bool{}
	return owners
}
