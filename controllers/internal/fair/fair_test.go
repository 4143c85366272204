package fair

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func request(namespace string, n int) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: fmt.Sprint(n)}}
}

func get(t *testing.T, q *queue) reconcile.Request {
	t.Helper()
	if q.Typed.Len() == 0 {
		t.Fatal("nothing may be worked on")
	}
	r, _ := q.Get()
	return r
}

// One tenant fills the queue. Another's request is next, and there is a worker to take it.
func TestATenantWithManyRequestsDelaysNobody(t *testing.T) {
	for _, workers := range []int{2, 4, 16} {
		q := newQueue("", workers)
		for n := range 10_000 {
			q.Add(request("hostile", n))
		}
		var working []reconcile.Request
		for q.Typed.Len() > 0 {
			working = append(working, get(t, q))
		}
		if want := workers / 2; len(working) != want {
			t.Fatalf("%d workers: the hostile tenant has %d, want %d", workers, len(working), want)
		}
		q.Add(request("quiet", 0))
		if r := get(t, q); r.Namespace != "quiet" {
			t.Errorf("%d workers: the next is %s", workers, r)
		}
		if q.Len() != 10_000-workers/2 {
			t.Errorf("%d wait", q.Len())
		}
		q.ShutDown()
	}
}

func TestNamespacesAreServedInTurn(t *testing.T) {
	q := newQueue("", 16)
	defer q.ShutDown()
	for n := range 3 {
		for _, namespace := range []string{"a", "b", "c"} {
			if n == 0 || namespace != "c" {
				q.Add(request(namespace, n))
			}
		}
	}
	order := ""
	for range 7 {
		order += get(t, q).Namespace
	}
	if order != "abcabab" {
		t.Errorf("served in the order %s", order)
	}
}

// The real queue, with workers that take a moment: no request is in work twice at once, none is lost, no namespace has
// more workers than its half, and all of them are used.
func TestEveryRequestIsWorkedOnByOneAtATime(t *testing.T) {
	const workers, namespaces, names = 8, 5, 20
	made := Options(workers).NewQueue("", workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](time.Millisecond, time.Second))
	var mu sync.Mutex
	busy, by, most, passes := map[reconcile.Request]bool{}, map[string]int{}, 0, map[reconcile.Request]int{}
	begin := func(r reconcile.Request) {
		mu.Lock()
		defer mu.Unlock()
		if busy[r] {
			t.Errorf("%s is in work twice", r)
		}
		busy[r], by[r.Namespace] = true, by[r.Namespace]+1
		if by[r.Namespace] > workers/2 {
			t.Errorf("%s has %d workers", r.Namespace, by[r.Namespace])
		}
	}
	taken := 0
	held := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		taken += n
		most = max(most, taken)
	}
	end := func(r reconcile.Request) {
		mu.Lock()
		defer mu.Unlock()
		delete(busy, r)
		by[r.Namespace]--
		passes[r]++
	}
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for {
				r, stopped := made.Get()
				if stopped {
					return
				}
				held(1)
				begin(r)
				time.Sleep(time.Duration(rand.N(200)) * time.Microsecond)
				end(r)
				made.Done(r) // after which the worker may rest
				held(-1)
			}
		})
	}
	for range 4 {
		running.Go(func() {
			for range 2000 {
				made.Add(request(fmt.Sprint(rand.N(namespaces)), rand.N(names)))
			}
		})
	}
	all := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(passes) == namespaces*names && len(busy) == 0 && made.Len() == 0
	}
	for deadline := time.Now().Add(20 * time.Second); !all(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d requests were worked on, %d wait", len(passes), namespaces*names, made.Len())
		}
	}
	made.ShutDown()
	running.Wait()
	if most != workers {
		t.Errorf("at most %d of %d workers were busy", most, workers)
	}
}

// A lone worker goes from one namespace to the other.
func TestOneWorkerServesAll(t *testing.T) {
	q := newQueue("", 1)
	defer q.ShutDown()
	for n := range 3 {
		q.Add(request("hostile", n))
	}
	q.Add(request("quiet", 0))
	order := ""
	for range 4 {
		r := get(t, q)
		order += r.Namespace + " "
		q.Done(r)
	}
	if order != "hostile quiet hostile hostile " {
		t.Errorf("served in the order %s", order)
	}
}

// A request that comes while it is in work is worked on once more, when that is over.
func TestWhatComesMeanwhileIsNotLost(t *testing.T) {
	q := newQueue("", 4)
	defer q.ShutDown()
	q.Add(request("a", 1))
	r := get(t, q)
	q.Add(r)
	q.Add(r)
	if q.Typed.Len() != 0 {
		t.Fatal("it is given out while it is in work")
	}
	q.Done(r)
	q.Done(get(t, q))
	if q.Len() != 0 || len(q.turns.tenants) != 0 {
		t.Errorf("%d wait, %d namespaces are remembered", q.Len(), len(q.turns.tenants))
	}
}

// Passes that wait for nothing would leave others no time: where a namespace has company its workers rest.
func TestWorkersRestWhereOthersHaveRequestsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue("", 4)
		defer q.ShutDown()
		work := func(namespace string) time.Duration {
			q.Add(request(namespace, 0))
			r := get(t, q)
			time.Sleep(5 * time.Millisecond)
			begun := time.Now()
			q.Done(r)
			return time.Since(begun)
		}
		if rest := work("busy"); rest != 0 {
			t.Errorf("alone, its worker rests for %s", rest)
		}
		q.Add(request("quiet", 0))
		if rest := work("busy"); rest != restFactor*5*time.Millisecond {
			t.Errorf("with company, its worker rests for %s", rest)
		}
		time.Sleep(2 * time.Second)
		if rest := work("busy"); rest != 0 {
			t.Errorf("alone again, its worker rests for %s", rest)
		}
		if len(q.turns.begun) != 0 {
			t.Errorf("%d passes are remembered", len(q.turns.begun))
		}
	})
}
