package fair

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/mantledeploy/mantle/controllers/internal/turns"
)

// mappers is the number of namespaces whose events one Mapped handles at once.
const mappers = 4

// Mapped is handler.EnqueueRequestsFromMapFunc for a slow function, for example one that lists. A watch delivers the
// events of all namespaces in one goroutine, which a tenant with many changing objects would keep busy. So the event
// handler only records the object. Up to four other goroutines, each for one namespace at a time, call the function. If
// an object changes several times before that, the function is called once, with the object before the first and after
// the last change.
func Mapped(requests handler.MapFunc) handler.EventHandler {
	m := &mapped{requests: requests, of: map[string]*changes{}}
	note := func(ctx context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request], before, after client.Object) {
		m.note(ctx, q, before, after)
	}
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	return handler.Funcs{
		CreateFunc:  func(ctx context.Context, e event.CreateEvent, q queue) { note(ctx, q, nil, e.Object) },
		UpdateFunc:  func(ctx context.Context, e event.UpdateEvent, q queue) { note(ctx, q, e.ObjectOld, e.ObjectNew) },
		DeleteFunc:  func(ctx context.Context, e event.DeleteEvent, q queue) { note(ctx, q, nil, e.Object) },
		GenericFunc: func(ctx context.Context, e event.GenericEvent, q queue) { note(ctx, q, nil, e.Object) },
	}
}

// mapped contains the changes for which the function was not called yet: at most one for each object.
type mapped struct {
	requests handler.MapFunc

	mu         sync.Mutex
	of         map[string]*changes
	contention turns.Contention
	// order contains the namespaces that wait for a goroutine, the next one first.
	order   []string
	working int
}

// changes are the changes of one namespace, in the order of each object's first change.
type changes struct {
	of    map[types.NamespacedName]change
	order []types.NamespacedName
}

// change is a change of an object. before is nil if the object is new, or if its former version is not known.
type change struct {
	queue         workqueue.TypedRateLimitingInterface[reconcile.Request]
	before, after client.Object
}

func (m *mapped) note(ctx context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request], before, after client.Object) {
	if after == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	namespace, name := after.GetNamespace(), client.ObjectKeyFromObject(after)
	m.contention.Note(namespace)
	noted := m.of[namespace]
	if noted == nil {
		noted = &changes{of: map[types.NamespacedName]change{}}
		m.of[namespace] = noted
		m.line(ctx, namespace)
	}
	was, again := noted.of[name]
	if again {
		before = was.before
	} else {
		noted.order = append(noted.order, name)
	}
	noted.of[name] = change{queue: q, before: before, after: after}
}

// work handles changes, of each namespace in turn, until there is none.
func (m *mapped) work(ctx context.Context) {
	for {
		namespace, next, found := m.take()
		if !found {
			return
		}
		begun := time.Now()
		for _, o := range []client.Object{next.before, next.after} {
			if o == nil {
				continue
			}
			for _, request := range m.requests(ctx, o) {
				next.queue.Add(request)
			}
		}
		m.done(ctx, namespace, time.Since(begun))
	}
}

// take returns the next change. No other goroutine handles its namespace until done is called.
func (m *mapped) take() (namespace string, next change, found bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.order) == 0 {
		m.working--
		return "", change{}, false
	}
	namespace, m.order = m.order[0], m.order[1:]
	noted := m.of[namespace]
	name := noted.order[0]
	next, noted.order = noted.of[name], noted.order[1:]
	delete(noted.of, name)
	return namespace, next, true
}

// done queues a namespace for its next turn; after a pause if other namespaces have changes too.
func (m *mapped) done(ctx context.Context, namespace string, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case len(m.of[namespace].order) == 0:
		delete(m.of, namespace)
	case m.contention.Contended(namespace):
		time.AfterFunc(restAfter(took), func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.line(ctx, namespace)
		})
	default:
		m.line(ctx, namespace)
	}
}

// line queues a namespace, and starts a goroutine if there are fewer than mappers. The lock is held.
func (m *mapped) line(ctx context.Context, namespace string) {
	m.order = append(m.order, namespace)
	if m.working < mappers {
		m.working++
		go m.work(ctx)
	}
}
