package identity

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// maxSpaces bounds how many namespaces are remembered; the least recently used is forgotten first.
const maxSpaces = 4096

// space is what is remembered of one namespace, by UID: a recreated namespace is another one.
type space struct {
	name string
	// loading is held while the Secret is read, so that one caller at a time reads it. It guards the fields below it.
	loading  sync.Mutex
	identity *session.Identity
	until    time.Time

	opened *opened   // its PFX; guarded by Store.mu
	used   time.Time // guarded by Store.mu
}

func namespaceMetadata() *metav1.PartialObjectMetadata {
	m := &metav1.PartialObjectMetadata{}
	m.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return m
}

// Watch reads the UIDs of namespaces from the cache, and forgets namespaces that are deleted. Call it once, before For.
func (s *Store) Watch(ctx context.Context, c cache.Cache) error {
	informer, err := c.GetInformer(ctx, namespaceMetadata())
	if err != nil {
		return fmt.Errorf("watching namespaces: %w", err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		UpdateFunc: func(before, after any) {
			if old, is := uidOf(before), uidOf(after); old != is { // recreated while the watch was interrupted
				s.forget(old)
			}
		},
		DeleteFunc: func(o any) { s.forget(uidOf(o)) },
	})
	if err != nil {
		return fmt.Errorf("watching namespaces: %w", err)
	}
	s.namespaces = c
	return nil
}

func uidOf(o any) types.UID {
	if gone, isTombstone := o.(toolscache.DeletedFinalStateUnknown); isTombstone {
		o = gone.Obj
	}
	if object, isObject := o.(metav1.Object); isObject {
		return object.GetUID()
	}
	return ""
}

// uid returns the UID of the namespace that has the name now.
func (s *Store) uid(ctx context.Context, namespace string) (types.UID, error) {
	m, name := namespaceMetadata(), types.NamespacedName{Name: namespace}
	if s.namespaces != nil && s.namespaces.Get(ctx, name, m) == nil && m.UID != "" {
		return m.UID, nil
	}
	m = namespaceMetadata() // the namespace may be newer than the cache
	if err := s.reader.Get(ctx, name, m); err != nil {
		return "", fmt.Errorf("reading namespace %s: %w", namespace, err)
	}
	return m.UID, nil
}

func (s *Store) space(uid types.UID, name string) *space {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.spaces[uid]
	if of == nil {
		for len(s.spaces) >= maxSpaces {
			delete(s.spaces, s.leastUsed())
		}
		of = &space{name: name}
		s.spaces[uid] = of
	}
	of.used = time.Now()
	return of
}

func (s *Store) leastUsed() (least types.UID) {
	for uid, of := range s.spaces {
		if least == "" || of.used.Before(s.spaces[least].used) {
			least = uid
		}
	}
	return least
}

// Forget forgets a namespace by name. Call it when an object in the namespace is deleted: the namespace may be deleted
// too, and the watch may report that later.
func (s *Store) Forget(namespace string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.spaces, func(_ types.UID, of *space) bool { return of.name == namespace })
}

// forget forgets a deleted namespace and its private key.
func (s *Store) forget(uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.spaces, uid)
}
