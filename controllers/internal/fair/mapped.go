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

// mappers is how many namespaces' events one Mapped works on at once.
const mappers = 4

// Mapped is handler.EnqueueRequestsFromMapFunc for what takes time, as a list does. A watch hands the events of all
// namespaces to one goroutine, and whoever has many objects and changes them would keep it busy: here it only notes the
// object. One goroutine for each namespace that has events, of at most four, then asks for the requests. What changes
// several times meanwhile is asked for once, by what it was before the first change and is after the last.
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

// mapped holds what was noted and not asked for yet: at most one change for each object, and nothing of a namespace that
// has none.
type mapped struct {
	requests handler.MapFunc

	mu      sync.Mutex
	of      map[string]*changes
	company turns.Company
	// order has the namespaces that nobody works on, the next one first.
	order   []string
	working int
}

// changes are those of one namespace, in the order in which they were noted first.
type changes struct {
	of    map[types.NamespacedName]change
	order []types.NamespacedName
}

// change is what became of an object. Before is nil if there was nothing, or if it is not known.
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
	m.company.Comes(namespace)
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

// work takes one change of each namespace in turn until there is none.
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

// take gives the next change. Its namespace is worked on until done.
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

// done lets a namespace have its next turn: where it has company later, as workers rest, too.
func (m *mapped) done(ctx context.Context, namespace string, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case len(m.of[namespace].order) == 0:
		delete(m.of, namespace)
	case m.company.Has(namespace):
		time.AfterFunc(restAfter(took), func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.line(ctx, namespace)
		})
	default:
		m.line(ctx, namespace)
	}
}

// line has a namespace wait for its turn, and somebody work. The lock is held.
func (m *mapped) line(ctx context.Context, namespace string) {
	m.order = append(m.order, namespace)
	if m.working < mappers {
		m.working++
		go m.work(ctx)
	}
}
