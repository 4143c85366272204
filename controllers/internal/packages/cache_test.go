package packages

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/controllers/internal/feed"
)

// shelf is a feed over a map, by id.
type shelf map[string][]byte

func (s shelf) Check(Ref) error { return nil }
func (s shelf) Fetch(_ context.Context, ref Ref, w io.Writer) error {
	content, ok := s[ref.ID]
	if !ok {
		return errors.New("not there")
	}
	_, err := w.Write(content)
	return err
}

func tarball(t *testing.T, text string) (archive []byte, content string) {
	t.Helper()
	var plain, compressed bytes.Buffer
	w := tar.NewWriter(&plain)
	if err := w.WriteHeader(&tar.Header{Name: "a", Mode: 0o644, Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	g := gzip.NewWriter(&compressed)
	_, _ = g.Write(plain.Bytes())
	_ = g.Close()
	sum := sha256.Sum256(plain.Bytes())
	return compressed.Bytes(), "sha256:" + hex.EncodeToString(sum[:])
}

func open(t *testing.T, s feed.Feed, dir string, max int64) (*Cache, func() Owner) {
	t.Helper()
	told := make(chan Owner, 16)
	c, err := Open(Config{Dir: dir, Feed: s, MaxBytes: max, Notify: func(o Owner) { told <- o }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, func() Owner {
		select {
		case o := <-told:
			return o
		case <-time.After(10 * time.Second):
			t.Fatal("nobody was told")
			return Owner{}
		}
	}
}

// ask is the call that begins a fetch; what it answers is not of interest.
func ask(c *Cache, owner Owner, ref Ref) { _, _, _ = c.Ensure(owner, ref) }

func TestEnsure(t *testing.T) {
	archive, content := tarball(t, "one")
	s := shelf{"u": archive, "bad": []byte("not an archive")}
	dir := t.TempDir()
	c, told := open(t, s, dir, 0)
	owner := Owner{Kind: "Release", NamespacedName: types.NamespacedName{Name: "r"}}

	if _, state, _ := c.Ensure(owner, Ref{ID: "u"}); state != Pending {
		t.Fatalf("at first %s", state)
	}
	if told() != owner {
		t.Fatal("another was told")
	}
	p, state, err := c.Ensure(owner, Ref{ID: "u"})
	if state != Ready || err != nil || p.ContentDigest != content || p.Format != "tar.gz" || p.Size != int64(len(archive)) {
		t.Fatalf("%v %v %+v", state, err, p)
	}

	s["u"], _ = tarball(t, "two")
	again, _ := open(t, s, dir, 0)
	if got, state, _ := again.Ensure(owner, Ref{ID: "u", Digest: p.Digest}); state != Ready || got != p {
		t.Errorf("after a restart: %s %+v", state, got)
	}

	other, told := open(t, s, t.TempDir(), 0)
	ask(other, owner, Ref{ID: "u", Digest: p.Digest})
	ask(other, owner, Ref{ID: "bad"})
	told()
	told()
	if _, state, err := other.Ensure(owner, Ref{ID: "u", Digest: p.Digest}); state != Failed || !errors.Is(err, ErrChanged) {
		t.Errorf("a changed archive: %s %v", state, err)
	}
	var invalid *InvalidError
	if _, state, err := other.Ensure(owner, Ref{ID: "bad"}); state != Failed || !errors.As(err, &invalid) {
		t.Errorf("no archive: %s %v", state, err)
	}
}

func TestTheOldestGoesWhenTheCacheIsFull(t *testing.T) {
	a, _ := tarball(t, "one")
	b, _ := tarball(t, "two")
	c, told := open(t, shelf{"a": a, "b": b}, t.TempDir(), int64(len(a)+len(b)/2))
	first := Package{}
	for _, url := range []string{"a", "b"} {
		ask(c, Owner{}, Ref{ID: url})
		told()
		p, state, err := c.Ensure(Owner{}, Ref{ID: url})
		if state != Ready {
			t.Fatalf("%s: %s %v", url, state, err)
		}
		if url == "a" {
			first = p
		}
	}
	if _, err := c.Open(Ref{ID: "a", Digest: first.Digest}); err == nil {
		t.Error("the oldest is still there")
	}
	if n := len(c.store.archives); n != 1 {
		t.Errorf("%d archives are known", n)
	}
	if _, state, _ := c.Ensure(Owner{}, Ref{ID: "a", Digest: first.Digest}); state != Pending {
		t.Errorf("a dropped one is fetched again, not %s", state)
	}
	told()
}
