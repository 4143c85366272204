package controllers_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers"
	"github.com/mantledeploy/mantle/hack/kubetest"
)

// replica runs one of several operators for the world's namespace, as the program does; its requests go through wrap. It
// gives the address of its health checks.
func (w *world) replica(wrap func(http.RoundTripper) http.RoundTripper) (health string, stop func()) {
	w.t.Helper()
	l, err := net.Listen("tcp", tentacletest.Loopback())
	if err != nil {
		w.t.Fatal(err)
	}
	health = l.Addr().String()
	_ = l.Close()
	set := flag.NewFlagSet("mantle", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	f, err := controllers.ParseFlags(set, []string{"--namespace", operatorNamespace, "--namespaces", w.namespace, "--data-dir", w.t.TempDir(),
		"--metrics-bind-address", "0", "--health-probe-bind-address", health, "--leader-elect", "--leader-election-id", "test-" + w.namespace, "--lease-duration", "3s"})
	if err != nil {
		w.t.Fatal(err)
	}
	access := w.cluster.AsServiceAccount(w.t, operatorNamespace, "mantle")
	access.QPS = -1
	access.Wrap(wrap)
	if err := f.Guard(access); err != nil {
		w.t.Fatal(err)
	}
	options := f.Manager(kubetest.Scheme(w.t))
	skip := true
	options.Controller.SkipNameValidation, options.Logger = &skip, logr.Discard()
	mgr, err := ctrl.NewManager(access, options)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := controllers.Setup(mgr, f.Options); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx, mgr) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Logf("a replica ended with %v", err)
		}
	})
	w.t.Cleanup(stop)
	return health, stop
}

// readiness is what /readyz answers.
func readiness(t *testing.T, health string) (ready bool, said string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+health+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return false, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode == http.StatusOK, fmt.Sprint(response.Status, " ", string(body), err)
}

// lists tells which kind a request lists, also by a watch that begins with all there is; empty if it lists none.
func lists(r *http.Request) string {
	query := r.URL.Query()
	if watch := query.Get("watch"); r.Method != http.MethodGet || watch != "" && watch != "false" && query.Get("sendInitialEvents") != "true" {
		return ""
	}
	kinds := []string{"environments", "targetpolicies", "deploymenttargets", "projects", "releases", "releasebindings", "deploymentruns",
		"deploymentrunslices", "controllerrevisions", "namespaces"}
	if kind := path.Base(r.URL.Path); slices.Contains(kinds, kind) {
		return kind
	}
	return ""
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A replica whose caches are empty must not count as one that can take over, nor let a rolling update go on.
func TestAReplicaIsReadyOnceItHasListedEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stop()
	asked, answer := make(chan struct{}), make(chan struct{})
	tell := sync.OnceFunc(func() { close(asked) })
	health, _ := w.replica(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if lists(r) == "projects" {
				tell()
				select {
				case <-answer:
				case <-r.Context().Done():
					return nil, r.Context().Err()
				}
			}
			return next.RoundTrip(r)
		})
	})
	<-asked
	w.eventually("it answers", func() (bool, string) {
		ready, said := readiness(t, health)
		return ready || !strings.Contains(said, "connection refused"), said
	})
	if ready, said := readiness(t, health); ready {
		t.Errorf("it is ready without having listed projects: %s", said)
	}
	close(answer)
	w.eventually("it is ready", func() (bool, string) { return readiness(t, health) })
}

// Listing everything again is what a take-over of thousands of machines would take longest for.
func TestAReplicaThatTakesOverListsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stop()
	unchanged := func(next http.RoundTripper) http.RoundTripper { return next }
	first, end := w.replica(unchanged)
	w.eventually("the first replica is ready", func() (bool, string) { return readiness(t, first) })
	w.operator() // which makes an environment, and waits for what only a leader does
	var mu sync.Mutex
	var listed []string
	second, _ := w.replica(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if kind := lists(r); kind != "" {
				mu.Lock()
				listed = append(listed, kind)
				mu.Unlock()
			}
			return next.RoundTrip(r)
		})
	})
	w.eventually("the standby is ready", func() (bool, string) { return readiness(t, second) })
	mu.Lock()
	if len(listed) == 0 {
		t.Error("the standby listed nothing")
	}
	listed = nil
	mu.Unlock()
	end()
	w.create(&v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Name: "staging"}})
	w.eventually("the standby leads", func() (bool, string) {
		e := &v1alpha1.Environment{}
		err := w.client.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "staging"}, e)
		return err == nil && len(e.Status.Conditions) > 0, fmt.Sprint(err)
	})
	mu.Lock()
	defer mu.Unlock()
	if len(listed) > 0 {
		t.Errorf("to take over, it listed %v", listed)
	}
}
