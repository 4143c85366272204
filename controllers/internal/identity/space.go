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

// maxSpaces bounds how many namespaces are remembered; the one that was not asked for the longest is forgotten first.
const maxSpaces = 4096

// space is what is remembered of one namespace, by its UID: a namespace that is made again under its name is another one.
type space struct {
	name string
	// loading has one caller at a time read the Secret; no namespace waits for another's. It guards what follows.
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

// Watch has the cache tell which namespace has a name now, and forgets those that are gone. Call it once, before For.
func (s *Store) Watch(ctx context.Context, c cache.Cache) error {
	informer, err := c.GetInformer(ctx, namespaceMetadata())
	if err != nil {
		return fmt.Errorf("watching namespaces: %w", err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		UpdateFunc: func(before, after any) {
			if old, is := uidOf(before), uidOf(after); old != is { // made again while nobody watched
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

// uid is that of the namespace which has the name now.
func (s *Store) uid(ctx context.Context, namespace string) (types.UID, error) {
	m, name := namespaceMetadata(), types.NamespacedName{Name: namespace}
	if s.namespaces != nil && s.namespaces.Get(ctx, name, m) == nil && m.UID != "" {
		return m.UID, nil
	}
	m = namespaceMetadata() // one that is too new for the cache
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

// Forget drops what is remembered of a namespace. It is called when an object there is gone: the namespace may be, too, and
// that may be heard of later.
func (s *Store) Forget(namespace string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.spaces, func(_ types.UID, of *space) bool { return of.name == namespace })
}

// forget drops what is remembered of a namespace that is gone, with its private key.
func (s *Store) forget(uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.spaces, uid)
}
