package fair

import (
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// The number of concurrent reconciles of a controller. Many is the default of controllers of runs, targets and bindings, whose
// reconciles mostly wait for the API server; one namespace uses half of them. Few is for all others.
const (
	Many = 16
	Few  = 4
)

// passTimeout bounds one reconcile. A reconcile waits only for the API server, and is repeated after an error.
const passTimeout = time.Minute

// Options returns the options of a controller with a number of workers; 0 means Many. Every controller uses it.
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

// queue is a work queue in which namespaces take turns.
type queue struct {
	*workqueue.Typed[reconcile.Request]
	turns *storage
}

func newQueue(name string, workers int) *queue {
	t := newStorage(max(workers/2, 1))
	t.rests = workers > 1 // the pause of a single worker would delay all
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

// Done implements workqueue.TypedInterface. If other namespaces have requests too, the worker then pauses, and still
// counts as one of its namespace's workers; another worker can reconcile the same object meanwhile. The end of the pause can
// make a request of the same namespace ready. It needs to wake no other worker for that: the worker that calls Done calls
// Get next.
func (q *queue) Done(request reconcile.Request) {
	rest := q.turns.rest(request)
	q.Typed.Done(request)
	time.Sleep(rest) //nolint:forbidigo // the pause is intended
	q.turns.release(request.Namespace)
}

// Len implements workqueue.TypedInterface. It includes requests of namespaces that have reached their limit of workers.
func (q *queue) Len() int { return q.turns.queued() }
