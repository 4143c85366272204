package fair

import (
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// How many passes a controller does at once. Many is the default of those whose passes follow runs and machines, of which
// one namespace has half: such a pass does little but wait for the API server, and as many requests of one namespace are
// with it at once. Few is for all others.
const (
	Many = 32
	Few  = 4
)

// passTimeout bounds one pass. A pass waits for the API server alone, and begins anew after an error.
const passTimeout = time.Minute

// Options are those of a controller with so many workers; 0 is Many. Every controller uses them.
func Options(workers int) controller.Options {
	if workers <= 0 {
		workers = Many
	}
	return controller.Options{
		MaxConcurrentReconciles: workers,
		ReconciliationTimeout:   passTimeout,
		NewQueue: func(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
			return workqueue.NewTypedRateLimitingQueueWithConfig(limiter, workqueue.TypedRateLimitingQueueConfig[reconcile.Request]{
				Name: name,
				DelayingQueue: workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[reconcile.Request]{
					Name: name, Queue: newQueue(name, workers)}),
			})
		},
	}
}

// queue is a work queue whose order is that of turns.
type queue struct {
	*workqueue.Typed[reconcile.Request]
	turns *storage
}

func newQueue(name string, workers int) *queue {
	t := newStorage(max(workers/2, 1))
	t.rests = workers > 1 // a lone one would have all wait
	return &queue{Typed: workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[reconcile.Request]{Name: name, Queue: t}), turns: t}
}

// Get implements workqueue.TypedInterface.
func (q *queue) Get() (reconcile.Request, bool) {
	request, stopped := q.Typed.Get()
	if !stopped {
		q.turns.begins(request)
	}
	return request, stopped
}

// Done implements workqueue.TypedInterface. Where other namespaces have requests, too, the worker rests first, still as one
// of its namespace's half: passes that wait for nothing would leave the others no time. Done may make a request of the same namespace ready. Nobody else is woken for
// it: the worker that calls Done is the next that asks for a request.
func (q *queue) Done(request reconcile.Request) {
	if rest := q.turns.rest(request); rest > 0 {
		time.Sleep(rest) //nolint:forbidigo // that time passes is what is meant
	}
	q.turns.release(request.Namespace)
	q.Typed.Done(request)
}

// Len implements workqueue.TypedInterface: it counts those too whose namespace has all the workers that it may have.
func (q *queue) Len() int { return q.turns.queued() }
