// Package notify carries "look at this object again" from goroutines that work for a controller to that controller.
//
// Any goroutine calls Notify, which never blocks; the same name twice before it is delivered is one. Start delivers to
// the channel that the controller watches, until its context ends. Nothing runs and nothing is held while nothing is
// told.
package notify

import (
	"context"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"
)

// Notifier joins names and delivers them. It is safe for concurrent use.
type Notifier struct {
	mu      sync.Mutex
	pending map[types.NamespacedName]struct{}
	wake    chan struct{}
	events  chan event.GenericEvent
}

// New makes a Notifier. Add it to the manager, which calls Start.
func New() *Notifier {
	return &Notifier{pending: map[types.NamespacedName]struct{}{}, wake: make(chan struct{}, 1), events: make(chan event.GenericEvent)}
}

// Notify says that the object is worth a look.
func (n *Notifier) Notify(name types.NamespacedName) {
	n.mu.Lock()
	n.pending[name] = struct{}{}
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// Events is what a controller watches.
func (n *Notifier) Events() <-chan event.GenericEvent { return n.events }

// Start delivers until the context ends.
func (n *Notifier) Start(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.wake:
		}
		for name := range n.take() {
			object := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}}
			select {
			case n.events <- event.GenericEvent{Object: object}:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

func (n *Notifier) take() map[types.NamespacedName]struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	taken := n.pending
	n.pending = map[types.NamespacedName]struct{}{}
	return taken
}
