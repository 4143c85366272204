package identity

import (
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache/informertest"
	"software.sslmate.com/src/go-pkcs12"
)

// remembered is how many identities the store has in memory.
func remembered(s *Store) (n int) {
	for _, of := range s.spaces {
		if of.identity != nil {
			n++
		}
	}
	return n
}

// Within seconds, and by the operator that has just used the former one's.
func TestANamespaceMadeAgainAtOnceGetsNothingOfTheFormer(t *testing.T) {
	c, store := cluster(t)
	s := store()
	if _, err := s.For(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.For(t.Context(), "shop"); err == nil {
		t.Errorf("a namespace that is gone has the identity %s", got.Thumbprint)
	}
	if err := c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", UID: "three"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.For(t.Context(), "shop"); !errors.Is(err, ErrLost) {
		t.Errorf("the later namespace inherits it: %v", err)
	}
}

func TestNoKeyIsKeptOfANamespaceThatIsGone(t *testing.T) {
	c, store := cluster(t)
	pfx, _ := exported(t, pkcs12.Modern, "")
	give(t, c, "shop", map[string][]byte{KeyPFX: pfx})
	s := store()
	scheme := runtime.NewScheme()
	if err := metav1.AddMetaToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	informers := &informertest.FakeInformers{Scheme: scheme}
	if err := s.Watch(t.Context(), informers); err != nil {
		t.Fatal(err)
	}
	for _, namespace := range []string{"shop", "bank"} {
		if _, err := s.For(t.Context(), namespace); err != nil {
			t.Fatal(err)
		}
	}
	informer, err := informers.FakeInformerFor(t.Context(), namespaceMetadata())
	if err != nil {
		t.Fatal(err)
	}
	gone, again := namespaceMetadata(), namespaceMetadata()
	gone.UID, again.UID = "one", "again"
	informer.Update(gone, gone)
	if len(s.spaces) != 2 {
		t.Errorf("%d are kept of two that are there", len(s.spaces))
	}
	informer.Delete(gone)
	if len(s.spaces) != 1 {
		t.Errorf("%d are kept after one was deleted", len(s.spaces))
	}
	gone.UID = "two"
	informer.Update(gone, again)
	if len(s.spaces) != 0 {
		t.Errorf("%d are kept after the other was made again", len(s.spaces))
	}
}

func TestHowManyNamespacesAreRememberedIsBounded(t *testing.T) {
	_, store := cluster(t)
	s := store()
	first := s.space("first", "first")
	for i := range maxSpaces + 10 {
		s.space(types.UID(fmt.Sprint(i)), fmt.Sprint(i))
		s.spaces["first"].used = time.Now().Add(time.Hour)
	}
	if len(s.spaces) != maxSpaces || s.space("first", "first") != first {
		t.Errorf("%d are remembered", len(s.spaces))
	}
}
