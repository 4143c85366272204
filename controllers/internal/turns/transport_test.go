package turns_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mantledeploy/mantle/controllers/internal/turns"
)

// server answers at once; what it holds are the bodies of its answers.
type server struct {
	mu    sync.Mutex
	asked []string
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.asked = append(s.asked, r.URL.Path)
	s.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/broken") {
		return nil, errors.New("broken")
	}
	return &http.Response{Request: r, Body: io.NopCloser(strings.NewReader("x"))}, nil
}

func ask(ctx context.Context, t *testing.T, of http.RoundTripper, path string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://x"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return of.RoundTrip(r)
}

// Who is alone has more, until another comes.
func TestANamespaceThatIsAloneHasMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		of := turns.Transport(turns.Share{Alone: 3, Busy: 1})(s)
		const busy, quiet = "/api/v1/namespaces/busy/secrets/x", "/api/v1/namespaces/quiet/secrets/x"
		open := make(chan *http.Response, 10)
		for range 5 {
			go func() {
				if r, err := ask(t.Context(), t, of, busy); err == nil {
					open <- r
				}
			}()
		}
		synctest.Wait()
		if len(open) != 3 {
			t.Fatalf("%d are with the API server", len(open))
		}
		r, err := ask(t.Context(), t, of, quiet)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		for left := 2; left >= 0; left-- {
			(<-open).Body.Close()
			synctest.Wait()
			if want := max(left, 1); len(open) != want {
				t.Errorf("with another, %d are with the API server, not %d", len(open), want)
			}
		}
		time.Sleep(2 * time.Second)
		for range 2 {
			go func() {
				if r, err := ask(t.Context(), t, of, busy); err == nil {
					open <- r
				}
			}()
		}
		synctest.Wait()
		if len(open) != 3 {
			t.Errorf("alone again, %d are with the API server", len(open))
		}
		for range 4 {
			(<-open).Body.Close()
			synctest.Wait()
		}
	})
}

// Whoever has much to do in one namespace has no more requests with the API server than its share.
func TestANamespaceHasItsShareOfTheAPIServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		of := turns.Transport(turns.Share{Busy: 2}, "mantle-system")(s)
		const busy = "/apis/mantle.dev/v1alpha1/namespaces/busy/deploymentruns"
		first, err := ask(t.Context(), t, of, busy)
		if err != nil {
			t.Fatal(err)
		}
		defer first.Body.Close()
		if _, err := ask(t.Context(), t, of, busy+"/broken"); err == nil { // whose turn ends with it
			t.Fatal("no error")
		}
		second, err := ask(t.Context(), t, of, busy)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		waited := make(chan error)
		go func() {
			_, err := ask(ctx, t, of, busy)
			waited <- err
		}()
		synctest.Wait()
		if len(s.asked) != 3 {
			t.Errorf("asked for %v", s.asked)
		}
		for _, path := range []string{strings.Replace(busy, "busy", "quiet", 1), busy + "?watch=true", "/version",
			"/apis/coordination.k8s.io/v1/namespaces/mantle-system/leases/x", "/apis/coordination.k8s.io/v1/namespaces/mantle-system/leases/y",
			"/apis/coordination.k8s.io/v1/namespaces/mantle-system/leases/z"} {
			if _, err := ask(t.Context(), t, of, path); err != nil { // whose body stays open
				t.Error(err)
			}
		}
		cancel()
		if err := <-waited; !errors.Is(err, context.Canceled) {
			t.Errorf("whoever gave up got %v", err)
		}
		second.Body.Close()
		third, err := ask(t.Context(), t, of, busy)
		if err != nil {
			t.Fatal(err)
		}
		third.Body.Close()
	})
}

// A namespace with few requests does not wait for its own earlier ones, whatever another does.
func TestANamespaceWithFewRequestsNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		of := turns.Transport(turns.Share{Alone: 16, Modest: 4, Busy: 1})(s)
		open := map[string]chan *http.Response{"busy": make(chan *http.Response, 20), "quiet": make(chan *http.Response, 20)}
		many := func(n int, namespace string) {
			for range n {
				go func() {
					if r, err := ask(t.Context(), t, of, "/api/v1/namespaces/"+namespace+"/secrets/x"); err == nil {
						open[namespace] <- r
					}
				}()
			}
			synctest.Wait()
		}
		many(1, "quiet")
		many(10, "busy")
		for range 3 { // as each other request ends, one of the quiet namespace's follows at once
			many(4-len(open["quiet"]), "quiet")
			if len(open["quiet"]) != 4 || len(open["busy"]) > 4 {
				t.Fatalf("%d and %d are with the API server", len(open["quiet"]), len(open["busy"]))
			}
			for range 2 {
				(<-open["quiet"]).Body.Close()
			}
			(<-open["busy"]).Body.Close()
			synctest.Wait()
		}
		if len(open["busy"]) > 1 {
			t.Errorf("%d of the busy namespace are with the API server", len(open["busy"]))
		}
		for n := len(open["quiet"]); n > 0; n-- {
			(<-open["quiet"]).Body.Close()
		}
		for range 7 {
			(<-open["busy"]).Body.Close()
			synctest.Wait()
		}
	})
}
