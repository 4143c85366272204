// Package notify lets goroutines that work for a controller enqueue objects in its queue.
package notify

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// Notifier adds names to the queue of a controller. It is safe for concurrent use.
type Notifier struct {
	// Before, if it is not nil, is called with each name. Set it before the first Notify.
	Before func(types.NamespacedName)

	mu    sync.Mutex
	queue workqueue.TypedRateLimitingInterface[reconcile.Request]
	early map[types.NamespacedName]struct{} // notified before the controller started
}

// New returns a Notifier. One controller must watch its Source.
func New() *Notifier { return &Notifier{early: map[types.NamespacedName]struct{}{}} }

// Source returns the source for the controller to watch.
func (n *Notifier) Source() source.Source {
	return source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.queue = queue
		for name := range n.early {
			queue.Add(reconcile.Request{NamespacedName: name})
		}
		n.early = nil
		return nil
	})
}

// Notify enqueues an object. It never blocks. A name that is already queued is not queued again.
func (n *Notifier) Notify(name types.NamespacedName) {
	if n.Before != nil {
		n.Before(name)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.queue == nil {
		n.early[name] = struct{}{}
		return
	}
	n.queue.Add(reconcile.Request{NamespacedName: name})
}
