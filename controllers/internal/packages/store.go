package packages

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func (c *Cache) path(digest string) string {
	return filepath.Join(c.config.Dir, filepath.Base(strings.TrimPrefix(digest, "sha256:")))
}

func (c *Cache) holds(digest string) bool {
	_, err := os.Stat(c.path(digest))
	return err == nil
}

// load reads what was written down of an archive; both files must be there.
func (c *Cache) load(digest string) (Package, error) {
	var p Package
	content, err := os.ReadFile(c.path(digest) + ".json")
	if err != nil {
		return p, fmt.Errorf("reading the note on package %s: %w", digest, err)
	}
	if err := json.Unmarshal(content, &p); err != nil || p.Digest != digest {
		return Package{}, fmt.Errorf("the note on package %s is damaged", digest)
	}
	if info, err := os.Stat(c.path(digest)); err != nil || info.Size() != p.Size {
		return Package{}, fmt.Errorf("package %s is damaged", digest)
	}
	return p, nil
}

// fetch brings one archive to disk, under its digest, checked.
func (c *Cache) fetch(ref Ref) (Package, error) {
	part, err := os.CreateTemp(c.config.Dir, "*.part")
	if err != nil {
		return Package{}, fmt.Errorf("making a file in the package cache: %w", err)
	}
	defer os.Remove(part.Name()) //nolint:errcheck // it is gone where all went well
	defer part.Close()
	digest := sha256.New()
	if err := c.config.Fetcher.Fetch(c.ctx, ref.URL, io.MultiWriter(part, digest)); err != nil {
		return Package{}, err
	}
	p := Package{URL: ref.URL, Digest: "sha256:" + hex.EncodeToString(digest.Sum(nil))}
	if ref.Digest != "" && ref.Digest != p.Digest {
		return Package{}, fmt.Errorf("%w: it has digest %s, %s was expected; publish it under a new version", ErrChanged, p.Digest, ref.Digest)
	}
	info, err := part.Stat()
	if err != nil {
		return Package{}, fmt.Errorf("reading the size of a package: %w", err)
	}
	p.Size = info.Size()
	if p.Format, p.ContentDigest, err = inspect(part, p.Size); err != nil {
		return Package{}, err
	}
	if err := part.Close(); err != nil {
		return Package{}, fmt.Errorf("writing a package: %w", err)
	}
	c.makeRoom(p.Size)
	return p, c.keep(part.Name(), p)
}

func (c *Cache) keep(part string, p Package) error {
	note, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encoding the note on package %s: %w", p.Digest, err)
	}
	if err := os.WriteFile(c.path(p.Digest)+".json", note, 0o600); err != nil {
		return fmt.Errorf("writing the note on package %s: %w", p.Digest, err)
	}
	if err := os.Rename(part, c.path(p.Digest)); err != nil {
		return fmt.Errorf("keeping package %s: %w", p.Digest, err)
	}
	return nil
}

// makeRoom drops the oldest archives until size more bytes fit. Open files stay readable.
func (c *Cache) makeRoom(size int64) {
	entries, err := os.ReadDir(c.config.Dir)
	if err != nil {
		return
	}
	var held []os.FileInfo
	total := size
	for _, e := range entries {
		if info, err := e.Info(); err == nil && filepath.Ext(e.Name()) == "" {
			held = append(held, info)
			total += info.Size()
		}
	}
	slices.SortFunc(held, func(a, b os.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range held {
		if total <= c.config.MaxBytes {
			return
		}
		if os.Remove(filepath.Join(c.config.Dir, info.Name())) == nil {
			total -= info.Size()
		}
	}
}
