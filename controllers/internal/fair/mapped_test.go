package fair

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func object(namespace, name, version string) client.Object {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, ResourceVersion: version}}
}

// asked is a map function that takes a second, as that of a namespace with many objects, and notes what it was asked.
type asked struct {
	mu sync.Mutex
	// versions by namespace and name.
	versions map[string][]string
	at       map[string]time.Time
}

func (a *asked) requests(_ context.Context, o client.Object) []reconcile.Request {
	if o.GetNamespace() == "hostile" {
		time.Sleep(time.Second)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	key := o.GetNamespace() + "/" + o.GetName()
	a.versions[key] = append(a.versions[key], o.GetResourceVersion())
	a.at[o.GetNamespace()] = time.Now()
	return []reconcile.Request{{NamespacedName: client.ObjectKeyFromObject(o)}}
}

func TestEventsOfOneNamespaceDoNotDelayThoseOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &asked{versions: map[string][]string{}, at: map[string]time.Time{}}
		h := Mapped(a.requests)
		q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
		defer q.ShutDown()
		begun := time.Now()
		for i := range 1000 {
			h.Create(t.Context(), event.CreateEvent{Object: object("hostile", fmt.Sprint(i), "1")}, q)
		}
		h.Create(t.Context(), event.CreateEvent{Object: object("quiet", "x", "1")}, q)
		if took := time.Since(begun); took > 0 {
			t.Errorf("the watch was held for %s", took)
		}
		synctest.Wait()
		a.mu.Lock()
		if at, told := a.at["quiet"]; !told || at.Sub(begun) > 0 {
			t.Errorf("the other namespace was told %v, %s later", told, at.Sub(begun))
		}
		a.mu.Unlock()
		time.Sleep(2000 * time.Second)
		synctest.Wait()
		if len(a.versions) != 1001 || q.Len() != 1001 {
			t.Errorf("%d objects were asked for, %d are queued", len(a.versions), q.Len())
		}
	})
}

func TestWhatChangesMeanwhileIsAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &asked{versions: map[string][]string{}, at: map[string]time.Time{}}
		h := Mapped(a.requests)
		q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
		defer q.ShutDown()
		h.Create(t.Context(), event.CreateEvent{Object: object("hostile", "first", "1")}, q)
		synctest.Wait() // it is being asked for
		for i := range 100 {
			h.Update(t.Context(), event.UpdateEvent{ObjectOld: object("hostile", "x", fmt.Sprint(i)), ObjectNew: object("hostile", "x", fmt.Sprint(i+1))}, q)
		}
		h.Delete(t.Context(), event.DeleteEvent{Object: object("hostile", "gone", "5")}, q)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := fmt.Sprint(a.versions["hostile/x"], a.versions["hostile/gone"]); got != "[0 100] [5]" {
			t.Errorf("asked for %s", got)
		}
	})
}

// What was noted and is done leaves nothing behind.
func TestChangesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &asked{versions: map[string][]string{}, at: map[string]time.Time{}}
		m := &mapped{requests: a.requests, of: map[string]*changes{}}
		q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
		defer q.ShutDown()
		for i := range 100 {
			m.note(t.Context(), q, nil, object(fmt.Sprint("n", i%7), fmt.Sprint(i), "1"))
		}
		synctest.Wait()
		if len(m.of) != 0 || len(m.order) != 0 || m.working != 0 || q.Len() != 100 {
			t.Errorf("%d namespaces, %d in order, %d at work, %d queued", len(m.of), len(m.order), m.working, q.Len())
		}
	})
}
