package packages

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

func owner(name string) Owner {
	return Owner{Kind: "Release", NamespacedName: types.NamespacedName{Name: name}, UID: types.UID("uid of " + name)}
}

// gated is a feed of one archive that gives it once its gate is open, and counts who is let in.
type gated struct {
	content []byte
	gate    chan struct{}
	began   chan string // namespace/id

	mu      sync.Mutex
	now     map[string]int
	most    map[string]int
	inAll   int
	mostAll int
}

func newGated(content []byte) *gated {
	return &gated{content: content, gate: make(chan struct{}), began: make(chan string, 1000), now: map[string]int{}, most: map[string]int{}}
}

func (g *gated) Check(Ref) error { return nil }

func (g *gated) Fetch(ctx context.Context, ref Ref, w io.Writer) error {
	g.count(ref.Namespace, 1)
	defer g.count(ref.Namespace, -1)
	g.began <- ref.Namespace + "/" + ref.ID
	select {
	case <-g.gate:
	case <-ctx.Done():
		return ctx.Err()
	}
	_, err := w.Write(g.content)
	return err
}

func (g *gated) count(namespace string, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now[namespace] += n
	g.inAll += n
	g.most[namespace] = max(g.most[namespace], g.now[namespace])
	g.mostAll = max(g.mostAll, g.inAll)
}

func (g *gated) next(t *testing.T) string {
	t.Helper()
	select {
	case name := <-g.began:
		return name
	case <-time.After(10 * time.Second):
		t.Fatal("nothing begins")
		return ""
	}
}

// One namespace has fetched a package, and another one knows its digest: it gets the archive only where its own feed gives it.
func TestADigestOpensNoOtherNamespacesPackage(t *testing.T) {
	archive, _ := tarball(t, "confidential")
	c, told := open(t, shelf{"private": archive}, t.TempDir(), 0)
	ref := Ref{Namespace: "bank", ID: "private", Version: "1"}
	ask(c, owner("bank"), ref)
	told()
	p, state, err := c.Ensure(owner("bank"), ref)
	if state != Ready {
		t.Fatalf("%s, %v", state, err)
	}
	for name, stolen := range map[string]Ref{
		"another namespace":                 {Namespace: "shop", ID: "mine", Version: "1", Digest: p.Digest},
		"another package of this namespace": {Namespace: "bank", ID: "other", Version: "1", Digest: p.Digest},
		"another version":                   {Namespace: "bank", ID: "missing", Version: "2", Digest: p.Digest},
	} {
		ask(c, owner("shop"), stolen)
		told()
		if got, state, err := c.Ensure(owner("shop"), stolen); state != Failed {
			t.Errorf("%s: %s %+v, %v", name, state, got, err)
		}
		if content, err := c.Open(stolen); err == nil {
			content.Close()
			t.Errorf("%s: it is opened", name)
		}
	}
	// One that gets it from its own feed has it, and it lies on the disk once.
	own := Ref{Namespace: "shop", ID: "private", Version: "1", Digest: p.Digest}
	ask(c, owner("shop"), own)
	told()
	if _, state, err := c.Ensure(owner("shop"), own); state != Ready {
		t.Errorf("its own: %s, %v", state, err)
	}
	if files, _ := filepath.Glob(filepath.Join(c.config.Dir, "*")); len(files) != 2 {
		t.Errorf("on the disk are %v", files)
	}
}

func TestANamespaceCannotKeepOthersFromFetching(t *testing.T) {
	archive, _ := tarball(t, "slow")
	g := newGated(archive)
	c, told := open(t, g, t.TempDir(), 0)
	for i := range 100 {
		ask(c, owner("hostile"), Ref{Namespace: "hostile", ID: fmt.Sprint(i)})
	}
	for range 4 {
		g.next(t)
	}
	ask(c, owner("shop"), Ref{Namespace: "shop", ID: "web"})
	if name := g.next(t); name != "shop/web" {
		t.Errorf("%s begins, while shop waits", name)
	}
	for i := range 20 {
		ask(c, owner("third"), Ref{Namespace: "third", ID: fmt.Sprint(i)})
	}
	close(g.gate)
	for range 121 {
		told()
	}
	if g.most["hostile"] > 4 || g.most["third"] > 4 || g.mostAll > 8 {
		t.Errorf("at once: %v, in all %d", g.most, g.mostAll)
	}
}

func TestNamespacesTakeTurns(t *testing.T) {
	q := newTurns(2)
	for _, ref := range []Ref{{Namespace: "a", ID: "1"}, {Namespace: "a", ID: "2"}, {Namespace: "a", ID: "3"}, {Namespace: "b", ID: "1"}, {Namespace: "c", ID: "1"}} {
		q.push(&entry{ref: ref})
	}
	got := ""
	for first, second := q.next(), q.next(); first != nil; first, second = second, q.next() {
		got += first.ref.Namespace + first.ref.ID + " "
		if second != nil && second.ref.Namespace == first.ref.Namespace {
			t.Errorf("two of %s at once", first.ref.Namespace)
		}
		q.over(first)
		if second == nil {
			second = q.next()
		}
		if second == nil {
			break
		}
	}
	if got != "a1 b1 c1 a2 a3 " && got != "a1 b1 a2 c1 a3 " {
		t.Errorf("the order is %s", got)
	}
	if len(q.of)+len(q.waiting)+len(q.order)+q.running != 0 {
		t.Errorf("kept are %v %v %v, %d are fetched", q.of, q.waiting, q.order, q.running)
	}
}

func TestNothingIsKeptForOwnersThatAreGone(t *testing.T) {
	archive, _ := tarball(t, "one")
	now := time.Now()
	c, told := open(t, shelf{"u": archive}, t.TempDir(), 0)
	c.config.Now = func() time.Time { return now }
	good, bad := Ref{ID: "u"}, Ref{ID: "missing"}
	for _, ref := range []Ref{good, bad} {
		ask(c, owner("one"), ref)
		told()
		ask(c, owner("two"), ref)
	}
	now = now.Add(10 * time.Minute)
	c.Release(owner("one").UID)
	if len(c.entries) != 2 {
		t.Errorf("%d entries, of which another owner needs two", len(c.entries))
	}
	c.Release(owner("two").UID)
	if len(c.entries) != 0 {
		t.Errorf("%d entries are left", len(c.entries))
	}
}

// Who deletes what failed and makes it again gets no other try for it.
func TestAFailureIsRememberedWithoutOwner(t *testing.T) {
	c, told := open(t, shelf{}, t.TempDir(), 0)
	ask(c, owner("one"), Ref{ID: "missing"})
	told()
	c.Release(owner("one").UID)
	if _, state, _ := c.Ensure(owner("two"), Ref{ID: "missing"}); state != Failed {
		t.Errorf("it is tried again at once: %s", state)
	}
}

func TestAFetchEndsWithItsLastOwner(t *testing.T) {
	archive, _ := tarball(t, "slow")
	g := newGated(archive)
	c, told := open(t, g, t.TempDir(), 0)
	ref := Ref{ID: "u"}
	ask(c, owner("one"), ref)
	ask(c, owner("two"), ref)
	g.next(t)
	c.Release(owner("one").UID)
	c.Release(owner("two").UID)
	ask(c, owner("three"), ref) // while it ends, or after it
	close(g.gate)
	if who := told(); who != owner("three") {
		t.Errorf("%s is told", who)
	}
	if _, state, err := c.Ensure(owner("three"), ref); state != Ready {
		t.Errorf("%s, %v", state, err)
	}
}

func TestWhatIsNeededIsDroppedLast(t *testing.T) {
	a, _ := tarball(t, "one")
	b, _ := tarball(t, "two")
	d, _ := tarball(t, "three")
	c, told := open(t, shelf{"a": a, "b": b, "d": d}, t.TempDir(), int64(len(a)+len(b)+len(d)/2))
	for _, id := range []string{"a", "b", "d"} {
		ask(c, owner(id), Ref{ID: id})
		told()
		if id == "b" {
			c.Release(owner("b").UID) // the newer one
		}
	}
	for _, id := range []string{"a", "d"} {
		if _, state, err := c.Ensure(owner(id), Ref{ID: id}); state != Ready {
			t.Errorf("%s is %s, %v", id, state, err)
		}
	}
	if _, state, err := c.Ensure(owner("b"), Ref{ID: "b"}); state != Pending {
		t.Errorf("b is %s, %v", state, err)
	}
}

func TestWhatLiesInTheFolderIsCheckedAtTheStart(t *testing.T) {
	dir := t.TempDir()
	archive, _ := tarball(t, "one")
	c, told := open(t, shelf{"u": archive}, dir, 0)
	ask(c, owner("one"), Ref{ID: "u"})
	told()
	p, _, _ := c.Ensure(owner("one"), Ref{ID: "u"})
	for name, content := range map[string]string{"0123.part": "x", "abc": "no note", "def.json": "{}", "0a.json": "torn"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again, _ := open(t, shelf{}, dir, 0)
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 2 {
		t.Errorf("in the folder are %v", files)
	}
	if content, err := again.Open(Ref{ID: "u", Digest: p.Digest}); err != nil {
		t.Error(err)
	} else {
		content.Close()
	}
	if _, err := again.Open(Ref{ID: "u"}); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a digest: %v", err)
	}
}

// A namespace that fetches much takes its own archives away, needed or not, and no other's.
func TestMuchOfOneNamespaceTakesNothingOfAnothersAway(t *testing.T) {
	s := shelf{}
	for i := range 8 {
		s[fmt.Sprint(i)], _ = tarball(t, fmt.Sprint("content ", i))
	}
	size := int64(0)
	for _, archive := range s {
		size = max(size, int64(len(archive)))
	}
	c, told := open(t, s, t.TempDir(), 4*size)
	quiet := Ref{Namespace: "bank", ID: "0", Version: "1"}
	ask(c, owner("bank"), quiet)
	told()
	c.Release(owner("bank").UID) // nobody needs it just now
	for i := 1; i < 8; i++ {
		ask(c, owner("noisy"), Ref{Namespace: "noisy", ID: fmt.Sprint(i), Version: "1"})
		told()
	}
	quietNow := quiet
	quietNow.Digest = func() string {
		for digest, a := range c.store.archives {
			if a.Namespace == "bank" {
				return digest
			}
		}
		return "none"
	}()
	if _, state, err := c.Ensure(owner("bank"), quietNow); state != Ready {
		t.Errorf("it is %s, %v", state, err)
	}
	if n := len(c.store.archives); n > 4 {
		t.Errorf("%d archives are kept", n)
	}
}

func TestANamespaceAsksForABoundedNumberOfPackages(t *testing.T) {
	g := newGated(nil)
	c, _ := open(t, g, t.TempDir(), 0)
	for i := range maxEntries + 1 {
		_, state, err := c.Ensure(owner("noisy"), Ref{Namespace: "noisy", ID: fmt.Sprint(i), Version: "1"})
		if refused := errors.Is(err, errMany); refused != (i >= maxEntries) || refused != (state == Failed) {
			t.Fatalf("package %d is %s, %v", i, state, err)
		}
	}
	ref := Ref{Namespace: "noisy", ID: fmt.Sprint(maxEntries), Version: "1"}
	if c.RetryAt(ref).IsZero() {
		t.Error("nobody is told when to ask again")
	}
	if _, state, _ := c.Ensure(owner("bank"), Ref{Namespace: "bank", ID: "0", Version: "1"}); state != Pending {
		t.Errorf("another namespace's package is %s", state)
	}
	c.Release(owner("noisy").UID)
	close(g.gate)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c.mu.Lock()
		entries, owned, held := len(c.entries), len(c.owned), c.held["noisy"]
		c.mu.Unlock()
		if entries <= 1+4 && owned == 1 && held <= 4 { // those of the fetches that went on
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d entries, of %d owners, are left", entries, owned)
		}
	}
}
