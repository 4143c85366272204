package packages

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"
)

// The limits of a store, besides its bytes.
const (
	maxArchives = 4096
	// maxOrigins of one archive; the oldest is removed, and fetches the archive again if it needs it.
	maxOrigins = 256
)

// store contains the archives on disk. The file name is the digest; a JSON file beside it describes the archive.
type store struct {
	dir      string
	maxBytes int64
	archives map[string]*archived
}

// archived is an archive on disk, and the content of its JSON file.
type archived struct {
	Package
	// Namespace fetched it last, and its size counts there. Origins are the references that have fetched it.
	Namespace string
	Origins   []string
	used      time.Time
}

func openStore(dir string, maxBytes int64) (*store, error) {
	s := &store{dir: dir, maxBytes: maxBytes, archives: map[string]*archived{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating the package cache: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("listing the package cache: %w", err)
	}
	for _, entry := range entries {
		if digest, isNote := strings.CutSuffix(entry.Name(), ".json"); isNote {
			s.load("sha256:" + digest)
		}
	}
	for _, entry := range entries { // delete what a crashed process has left
		digest := "sha256:" + strings.TrimSuffix(entry.Name(), ".json")
		if _, known := s.archives[digest]; known {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			return nil, fmt.Errorf("cleaning up the package cache: %w", err)
		}
	}
	return s, nil
}

// load adds an archive whose JSON file is valid.
func (s *store) load(digest string) {
	note, err := os.ReadFile(s.path(digest) + ".json")
	var a archived
	if err != nil || json.Unmarshal(note, &a) != nil || a.Digest != digest || len(a.Origins) > maxOrigins {
		return
	}
	if info, err := os.Stat(s.path(digest)); err == nil && info.Mode().IsRegular() && info.Size() == a.Size {
		a.used = info.ModTime()
		s.archives[digest] = &a
	}
}

func (s *store) path(digest string) string {
	return filepath.Join(s.dir, filepath.Base(strings.TrimPrefix(digest, "sha256:")))
}

// origin returns a digest that identifies a package in its namespace. Only an origin that fetched an archive can read it.
func origin(ref Ref) string {
	sum := sha256.New()
	for _, part := range []string{ref.Namespace, ref.Feed, ref.ID, ref.Version} {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// of returns an archive if the reference has fetched it.
func (s *store) of(ref Ref, digest string) (Package, bool) {
	a := s.archives[digest]
	if a == nil || !slices.Contains(a.Origins, origin(ref)) {
		return Package{}, false
	}
	if info, err := os.Stat(s.path(digest)); err != nil || info.Size() != a.Size {
		return Package{}, false
	}
	return a.Package, true
}

func (s *store) use(digest string, now time.Time) {
	if a := s.archives[digest]; a != nil {
		a.used = now
	}
}

// add records that a reference has fetched an archive, and moves the file to its place.
func (s *store) add(ref Ref, p Package, part string, needed sets.Set[string], now time.Time) error {
	a := s.archives[p.Digest]
	if a == nil {
		s.makeRoom(p.Size, needed)
		a = &archived{Package: p}
	}
	origins := append(slices.DeleteFunc(slices.Clone(a.Origins), func(o string) bool { return o == origin(ref) }), origin(ref))
	a = &archived{Package: a.Package, Namespace: ref.Namespace, Origins: origins[max(len(origins)-maxOrigins, 0):], used: now}
	if err := os.Rename(part, s.path(p.Digest)); err != nil {
		return fmt.Errorf("storing package %s: %w", p.Digest, err)
	}
	note, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encoding the description of package %s: %w", p.Digest, err)
	}
	// If a crash interrupts this, load ignores the incomplete file, and the package is fetched again.
	if err := os.WriteFile(s.path(p.Digest)+".json", note, 0o600); err != nil {
		return fmt.Errorf("writing the description of package %s: %w", p.Digest, err)
	}
	s.archives[p.Digest] = a
	return nil
}

// makeRoom deletes archives until size more bytes fit. It chooses them from the largest namespace, those that are not
// needed first: a namespace with many packages does not cause the deletion of another's. Open files stay readable.
func (s *store) makeRoom(size int64, needed sets.Set[string]) {
	total, shares := size, map[string]*share{}
	for _, a := range s.archives {
		of := shares[a.Namespace]
		if of == nil {
			of = &share{}
			shares[a.Namespace] = of
		}
		of.archives, of.bytes = append(of.archives, a), of.bytes+a.Size
		total += a.Size
	}
	for total > s.maxBytes || len(s.archives) >= maxArchives {
		most := largest(shares, total > s.maxBytes)
		if most == nil {
			return
		}
		a := most.next(needed)
		_ = os.Remove(s.path(a.Digest) + ".json")
		if err := os.Remove(s.path(a.Digest)); err == nil || os.IsNotExist(err) {
			delete(s.archives, a.Digest)
			total -= a.Size
		}
	}
}

// share is the list of archives of one namespace.
type share struct {
	archives []*archived
	bytes    int64
	sorted   bool
}

// largest returns the share with the most bytes or, if bytes is false, with the most archives; nil if there is none.
func largest(shares map[string]*share, bytes bool) (most *share) {
	for _, of := range shares {
		switch {
		case len(of.archives) == 0:
		case most == nil, bytes && of.bytes > most.bytes, !bytes && len(of.archives) > len(most.archives):
			most = of
		}
	}
	return most
}

// next removes and returns the archive to delete next: those that are not needed first, the least recently used before
// others.
func (of *share) next(needed sets.Set[string]) *archived {
	if !of.sorted {
		slices.SortFunc(of.archives, func(a, b *archived) int {
			switch {
			case needed.Has(a.Digest) == needed.Has(b.Digest):
				return a.used.Compare(b.used)
			case needed.Has(b.Digest):
				return -1
			default:
				return 1
			}
		})
		of.sorted = true
	}
	a := of.archives[0]
	of.archives, of.bytes = of.archives[1:], of.bytes-a.Size
	return a
}

// fetch fetches and checks one archive, and adds it to the store.
func (c *Cache) fetch(ctx context.Context, ref Ref) (Package, error) {
	part, err := os.CreateTemp(c.config.Dir, "*.part")
	if err != nil {
		return Package{}, fmt.Errorf("creating a file in the package cache: %w", err)
	}
	defer os.Remove(part.Name()) //nolint:errcheck // it was renamed if the fetch succeeded
	defer part.Close()
	digest := sha256.New()
	if err := c.config.Feed.Fetch(ctx, ref, io.MultiWriter(part, digest)); err != nil {
		return Package{}, err
	}
	p := Package{Digest: "sha256:" + hex.EncodeToString(digest.Sum(nil))}
	if ref.Digest != "" && ref.Digest != p.Digest {
		return Package{}, fmt.Errorf("%w: it has digest %s, %s was expected; publish it under a new version", ErrChanged, p.Digest, ref.Digest)
	}
	info, err := part.Stat()
	if err != nil {
		return Package{}, fmt.Errorf("reading the size of a package: %w", err)
	}
	p.Size = info.Size()
	if p.Format, p.ContentDigest, err = inspect(ctx, part, p.Size); err != nil {
		return Package{}, err
	}
	if err := part.Close(); err != nil {
		return Package{}, fmt.Errorf("writing a package: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	needed := sets.Set[string]{}
	for _, e := range c.entries {
		if len(e.owners) > 0 && e.pkg.Digest != "" {
			needed.Insert(e.pkg.Digest)
		}
	}
	return p, c.store.add(ref, p, part.Name(), needed, c.config.Now())
}
