package fair

import (
	"container/list"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/mantledeploy/mantle/controllers/internal/turns"
)

// tenant is a namespace that has requests, waiting or in work.
type tenant struct {
	waiting []reconcile.Request
	working int
	// turn is its place in the order, nil while nothing waits.
	turn *list.Element
}

// storage is that of a work queue: requests by namespace, and the order of the namespaces.
type storage struct {
	limit int

	mu      sync.Mutex
	tenants map[string]*tenant
	order   *list.List // of names, the next first
	company turns.Company
	// rests says that workers rest.
	rests bool
	// begun is when the passes in work began.
	begun map[reconcile.Request]time.Time
	// ready counts the waiting requests that may be worked on now.
	ready int
}

func newStorage(limit int) *storage {
	return &storage{limit: limit, tenants: map[string]*tenant{}, order: list.New(), begun: map[reconcile.Request]time.Time{}}
}

// Touch implements workqueue.Queue.
func (t *storage) Touch(reconcile.Request) {}

// Len implements workqueue.Queue: how many requests Pop can give now.
func (t *storage) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ready
}

// Push implements workqueue.Queue.
func (t *storage) Push(request reconcile.Request) {
	t.change(request.Namespace, func(of *tenant) {
		t.company.Comes(request.Namespace)
		of.waiting = append(of.waiting, request)
		if of.turn == nil {
			of.turn = t.order.PushBack(request.Namespace)
		}
	})
}

// Pop implements workqueue.Queue: it takes a request of the namespace whose turn it is. It is called only when Len is
// not 0.
func (t *storage) Pop() (request reconcile.Request) {
	t.change(t.next(), func(of *tenant) {
		request, of.waiting[0] = of.waiting[0], reconcile.Request{}
		of.waiting = of.waiting[1:]
		of.working++
		if len(of.waiting) > 0 {
			t.order.MoveToBack(of.turn)
			return
		}
		t.order.Remove(of.turn)
		of.turn, of.waiting = nil, nil
	})
	return request
}

// next is the first namespace that may have another worker. At most two have as many as they may, so few are passed over.
func (t *storage) next() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for e := t.order.Front(); e != nil; e = e.Next() {
		if name, ok := e.Value.(string); ok && t.tenants[name].working < t.limit {
			return name
		}
	}
	return ""
}

// restFactor is how much longer a worker rests than its pass took, and longestRest bounds that.
const (
	restFactor  = 3
	longestRest = 50 * time.Millisecond
)

func restAfter(took time.Duration) time.Duration { return min(restFactor*took, longestRest) }

// begins notes that the pass of a request begins.
func (t *storage) begins(request reconcile.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun[request] = time.Now()
}

// rest is how long the worker of a pass that has ended rests; 0 if its namespace has no company.
func (t *storage) rest(request reconcile.Request) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	took := time.Since(t.begun[request])
	delete(t.begun, request)
	if !t.rests || !t.company.Has(request.Namespace) {
		return 0
	}
	return restAfter(took)
}

// release gives the worker of a request back.
func (t *storage) release(namespace string) {
	t.change(namespace, func(of *tenant) { of.working-- })
}

// queued counts all requests that wait.
func (t *storage) queued() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, of := range t.tenants {
		n += len(of.waiting)
	}
	return n
}

// change changes a tenant and keeps count of what is ready. Who has nothing left is forgotten.
func (t *storage) change(namespace string, f func(*tenant)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	of := t.tenants[namespace]
	if of == nil {
		of = &tenant{}
		t.tenants[namespace] = of
	}
	t.ready -= of.ready(t.limit)
	f(of)
	t.ready += of.ready(t.limit)
	if len(of.waiting) == 0 && of.working == 0 {
		delete(t.tenants, namespace)
	}
}

// ready is how many of the waiting requests may be worked on now.
func (of *tenant) ready(limit int) int { return max(min(len(of.waiting), limit-of.working), 0) }
