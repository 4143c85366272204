package controllers_test

import (
	"flag"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/mantledeploy/mantle/controllers"
)

// request is a kind of request to the API server.
type request struct{ verb, resource string }

// The verbs that differ from those of the API. A list with a resource version is answered from the API server's memory; one
// without is read from etcd.
const (
	listLive   = "list (live)"
	listCached = "list (cached)"
)

// requestOf says what kind a request is of.
func requestOf(r *http.Request) request {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case parts[0] == "api" && len(parts) > 2:
		parts = parts[2:]
	case parts[0] == "apis" && len(parts) > 3:
		parts = parts[3:]
	default:
		return request{"get", "discovery"}
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		parts = parts[2:]
	}
	kind := request{resource: parts[0]}
	if len(parts) > 2 {
		kind.resource += "/" + parts[2]
	}
	query := r.URL.Query()
	switch watch := query.Get("watch"); {
	case watch == "true" || watch == "1":
		kind.verb = "watch"
	case r.Method == http.MethodGet && len(parts) > 1:
		kind.verb = "get"
	case r.Method == http.MethodGet && query.Has("resourceVersion"):
		kind.verb = listCached
	case r.Method == http.MethodGet:
		kind.verb = listLive
	default:
		kind.verb = map[string]string{http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete"}[r.Method]
	}
	return kind
}

// requests counts what operators ask of the API server.
type requests struct {
	mu     sync.Mutex
	counts map[request]int
	last   time.Time
}

// wrap counts what is sent by next.
func (q *requests) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		q.mu.Lock()
		if q.counts == nil {
			q.counts = map[request]int{}
		}
		q.counts[requestOf(r)]++
		q.last = time.Now()
		q.mu.Unlock()
		return next.RoundTrip(r) //nolint:wrapcheck // it is the caller's
	})
}

// silence is how long nothing was asked for.
func (q *requests) silence() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	return time.Since(q.last)
}

// take gives the counts since the last call.
func (q *requests) take() map[request]int {
	q.mu.Lock()
	defer q.mu.Unlock()
	counts := q.counts
	q.counts = nil
	return counts
}

// count has the operators of a world count their requests, and be as they are in a cluster: with the caches and the share of
// the API server that the command line says.
func (q *requests) count(w *world) {
	w.tune = func(access *rest.Config, o *ctrl.Options) {
		f, err := controllers.ParseFlags(flag.NewFlagSet("operator", flag.ContinueOnError), []string{"--namespace", operatorNamespace, "--namespaces", w.namespace})
		if err != nil {
			w.t.Fatal(err)
		}
		access.Wrap(q.wrap)
		if err := f.Guard(access); err != nil {
			w.t.Fatal(err)
		}
		o.Cache = f.Manager(o.Scheme).Cache
	}
}

// budget is how many requests of each kind there may be at most.
type budget map[request]int

// check fails above the budget, and shows all of it. Watches only count where they have a budget: the API server ends each
// after some minutes, and it is begun again.
func (b budget) check(t *testing.T, what string, counts map[request]int) {
	t.Helper()
	kinds := maps.Clone(counts)
	if kinds == nil {
		kinds = map[request]int{}
	}
	for kind := range b {
		kinds[kind] += 0
	}
	var table strings.Builder
	over, all, most := false, 0, 0
	row := func(mark, verb, resource string, count, most any) {
		fmt.Fprintf(&table, "%1s %-13s  %-32s %8v %8v\n", mark, verb, resource, count, most)
	}
	row("", "verb", "resource", "count", "at most")
	for _, kind := range slices.SortedFunc(maps.Keys(kinds), func(a, b request) int {
		return strings.Compare(a.resource+" "+a.verb, b.resource+" "+b.verb)
	}) {
		mark := ""
		if _, known := b[kind]; counts[kind] > b[kind] && (known || kind.verb != "watch") {
			mark, over = "!", true
		}
		row(mark, kind.verb, kind.resource, counts[kind], b[kind])
		if kind.verb != "watch" {
			all, most = all+counts[kind], most+b[kind]
		}
	}
	row("", "all but watch", "", all, most)
	if over {
		t.Errorf("%s: more requests to the API server than its budget:\n%s", what, &table)
		return
	}
	t.Logf("%s: requests to the API server:\n%s", what, &table)
}
