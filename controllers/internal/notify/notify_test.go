package notify

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// What was told before the controller began is in its queue when it begins, once, and is not kept after that.
func TestWhatIsToldEarlyIsQueuedOnceAndNotKept(t *testing.T) {
	n, before := New(), 0
	n.Before = func(types.NamespacedName) { before++ }
	for _, name := range []string{"a", "b", "a"} {
		n.Notify(types.NamespacedName{Name: name})
	}
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer queue.ShutDown()
	if err := n.Source().Start(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
	if queue.Len() != 2 || len(n.early) != 0 {
		t.Errorf("%d are queued, %d are kept", queue.Len(), len(n.early))
	}
	n.Notify(types.NamespacedName{Name: "c"})
	if queue.Len() != 3 || len(n.early) != 0 || before != 4 {
		t.Errorf("%d are queued, %d are kept, %d were told of before", queue.Len(), len(n.early), before)
	}
}
