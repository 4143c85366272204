package logs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/access"
)

// apiServer knows the token "anna", whose user may read the logs of run "run" in namespace "shop", and nothing else;
// "anna-scoped" is a token of hers that is worth nothing here.
func apiServer(down bool) client.WithWatch {
	scheme := runtime.NewScheme()
	_ = v1alpha1.AddToScheme(scheme)
	runs := []client.Object{
		&v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "run", UID: "of-shop"}},
		&v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Namespace: "bank", Name: "run", UID: "of-bank"}},
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(runs...).WithInterceptorFuncs(interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
		if down {
			return errors.New("connection refused")
		}
		switch o := o.(type) {
		case *authenticationv1.TokenReview:
			name, scoped := strings.CutSuffix(o.Spec.Token, "-scoped")
			o.Status.Authenticated, o.Status.User.Username = name == "anna" || name == "bob", name
			if scoped {
				o.Status.User.Extra = map[string]authenticationv1.ExtraValue{"scopes": {"none"}}
			}
		case *authorizationv1.SubjectAccessReview:
			want := authorizationv1.ResourceAttributes{Namespace: "shop", Name: "run", Verb: "get", Group: "mantle.dev", Resource: "deploymentruns", Subresource: "log"}
			o.Status.Allowed = o.Spec.User == "anna" && *o.Spec.ResourceAttributes == want && len(o.Spec.Extra["scopes"]) == 0
		default:
			return c.Create(ctx, o, opts...)
		}
		return nil
	}}).Build()
}

// Whoever can connect can have the API server asked who they are: one address has few questions there at once.
func TestStrangersAskInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.TempDir(), 0)
		if err != nil {
			t.Fatal(err)
		}
		asked, answer := atomic.Int64{}, make(chan struct{})
		c := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
			asked.Add(1)
			<-answer
			return nil
		}}).Build()
		h := s.Handler(c, c)
		ask := func(from string) int {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://operator/logs/shop/run/web-1/web/install", nil)
			r.Header.Set("Authorization", "Bearer nonsense")
			r.RemoteAddr = from
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w.Code
		}
		codes := make(chan int, 100)
		for i := range 20 {
			go func() { codes <- ask(fmt.Sprintf("10.0.0.1:%d", 1000+i)) }()
		}
		synctest.Wait()
		go func() { codes <- ask("10.0.0.2:1000") }()
		synctest.Wait()
		if asked.Load() != access.MaxAskedByOne+1 {
			t.Errorf("%d questions are with the API server", asked.Load())
		}
		time.Sleep(2 * access.TurnWithin)
		close(answer)
		synctest.Wait()
		got := map[int]int{}
		for range 21 {
			got[<-codes]++
		}
		if got[http.StatusUnauthorized] != access.MaxAskedByOne+1 || got[http.StatusTooManyRequests] != 20-access.MaxAskedByOne {
			t.Errorf("answered are %v", got)
		}
	})
}

func TestWhoMayReadALog(t *testing.T) {
	s, err := Open(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, namespace := range []string{"shop", "bank"} {
		if err := s.Sink(namespace, types.UID("of-"+namespace), "web-1", "web/install", 1).Append(1, entries("confidential")); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		method, path, token string
		down                bool
		want                int
	}{
		"who may":                       {path: "/logs/shop/run/web-1/web/install", token: "Bearer anna", want: http.StatusOK},
		"nobody":                        {path: "/logs/shop/run/web-1/web/install", want: http.StatusUnauthorized},
		"a stranger":                    {path: "/logs/shop/run/web-1/web/install", token: "Bearer eve", want: http.StatusUnauthorized},
		"a user without the right":      {path: "/logs/shop/run/web-1/web/install", token: "Bearer bob", want: http.StatusForbidden},
		"a token that is worth less":    {path: "/logs/shop/run/web-1/web/install", token: "Bearer anna-scoped", want: http.StatusForbidden},
		"another namespace":             {path: "/logs/bank/run/web-1/web/install", token: "Bearer anna", want: http.StatusForbidden},
		"out of the folder":             {path: "/logs/shop/run/../../bank/run/web-1/web", token: "Bearer anna", want: http.StatusNotFound},
		"a step that has not run":       {path: "/logs/shop/run/web-1/smoke", token: "Bearer anna", want: http.StatusConflict},
		"half a path":                   {path: "/logs/shop", token: "Bearer anna", want: http.StatusNotFound},
		"a list without the right":      {path: "/logs/bank/run", token: "Bearer anna", want: http.StatusForbidden},
		"following without the right":   {path: "/logs/bank/run/web-1/web/install?follow=true", token: "Bearer anna", want: http.StatusForbidden},
		"another method":                {method: http.MethodDelete, path: "/logs/shop/run/web-1/web/install", token: "Bearer anna", want: http.StatusNotFound},
		"while the API server is away":  {path: "/logs/shop/run/web-1/web/install", token: "Bearer anna", down: true, want: http.StatusServiceUnavailable},
		"basic credentials":             {path: "/logs/shop/run/web-1/web/install", token: "Basic YW5uYTphbm5h", want: http.StatusUnauthorized},
		"a bearer token without itself": {path: "/logs/shop/run/web-1/web/install", token: "Bearer ", want: http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), cmp.Or(tt.method, http.MethodGet), "http://operator/", nil)
			r.URL.Path, r.URL.RawQuery, _ = strings.Cut(tt.path, "?")
			r.Header.Set("Authorization", tt.token)
			w := httptest.NewRecorder()
			c := apiServer(tt.down)
			s.Handler(c, c).ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("status %d: %s", w.Code, w.Body)
			}
			if shown := strings.Contains(w.Body.String(), "confidential"); shown != (tt.want == http.StatusOK) {
				t.Errorf("the log is shown: %v", shown)
			}
		})
	}
}
