package target

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// writes has the versions of targets that this process has replaced since. While the cache shows one of them, there is
// nothing to do: a write would only conflict. The event of the new version starts the next pass. It is safe for concurrent
// use.
type writes struct {
	mu       sync.Mutex
	replaced map[types.NamespacedName]string
}

// add records that the version was replaced.
func (w *writes) add(target types.NamespacedName, version string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.replaced == nil {
		w.replaced = map[types.NamespacedName]string{}
	}
	w.replaced[target] = version
}

// has reports whether the version was replaced. It forgets the target at any other version.
func (w *writes) has(target types.NamespacedName, version string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	replaced, known := w.replaced[target]
	if known && replaced != version {
		delete(w.replaced, target)
	}
	return known && replaced == version
}

// forget removes a target.
func (w *writes) forget(target types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.replaced, target)
}
