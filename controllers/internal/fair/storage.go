package fair

import (
	"container/list"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/mantledeploy/mantle/controllers/internal/turns"
)

// tenant is a namespace with requests that wait or are handled.
type tenant struct {
	waiting []reconcile.Request
	working int
	// turn is its place in the order; nil if no request waits.
	turn *list.Element
}

// storage is the storage of a work queue: requests by namespace, and the order of the namespaces.
type storage struct {
	limit int

	mu         sync.Mutex
	tenants    map[string]*tenant
	order      *list.List // of names, the next first
	contention turns.Contention
	// rests is true if workers pause.
	rests bool
	// begun is when the running reconciles began.
	begun map[reconcile.Request]time.Time
	// ready is the number of waiting requests that can be handled now.
	ready int
}

func newStorage(limit int) *storage {
	return &storage{limit: limit, tenants: map[string]*tenant{}, order: list.New(), begun: map[reconcile.Request]time.Time{}}
}

// Touch implements workqueue.Queue.
func (t *storage) Touch(reconcile.Request) {}

// Len implements workqueue.Queue. It returns the number of requests that Pop can return now.
func (t *storage) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ready
}

// Push implements workqueue.Queue.
func (t *storage) Push(request reconcile.Request) {
	t.change(request.Namespace, func(of *tenant) {
		t.contention.Note(request.Namespace)
		of.waiting = append(of.waiting, request)
		if of.turn == nil {
			of.turn = t.order.PushBack(request.Namespace)
		}
	})
}

// Pop implements workqueue.Queue. It removes and returns a request of the namespace whose turn it is. It is called only
// if Len is not 0.
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

// next returns the first namespace that may have another worker. At most two have reached their limit, so it skips few.
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

// restFactor is how much longer a worker pauses than its reconcile took, and longestRest bounds the pause.
const (
	restFactor  = 3
	longestRest = 250 * time.Millisecond
)

func restAfter(took time.Duration) time.Duration { return min(restFactor*took, longestRest) }

// begins records that the reconcile of a request begins.
func (t *storage) begins(request reconcile.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun[request] = time.Now()
}

// rest returns how long the worker pauses after a reconcile; 0 if no other namespace has requests.
func (t *storage) rest(request reconcile.Request) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	took := time.Since(t.begun[request])
	delete(t.begun, request)
	if !t.rests || !t.contention.Contended(request.Namespace) {
		return 0
	}
	return restAfter(took)
}

// release ends the use of a worker by a namespace.
func (t *storage) release(namespace string) {
	t.change(namespace, func(of *tenant) { of.working-- })
}

// queued returns the number of requests that wait.
func (t *storage) queued() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, of := range t.tenants {
		n += len(of.waiting)
	}
	return n
}

// change changes a tenant and updates ready. A tenant without requests is deleted.
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

// ready returns how many of the waiting requests can be handled now.
func (of *tenant) ready(limit int) int { return max(min(len(of.waiting), limit-of.working), 0) }
