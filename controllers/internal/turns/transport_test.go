package turns_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mantledeploy/mantle/controllers/internal/turns"
)

// server answers at once; what it holds are the bodies of its answers.
type server struct{ asked []string }

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked = append(s.asked, r.URL.Path)
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

// Whoever has much to do in one namespace has no more requests with the API server than its share.
func TestANamespaceHasItsShareOfTheAPIServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		of := turns.Transport(2, "mantle-system")(s)
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
