package access

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// Metrics returns a FilterProvider for a manager's metrics server. The filter allows requests whose bearer token
// belongs to a user who may `get` the path as a nonResourceURL. Requests below the prefixes in except have their own
// authorization and are not filtered.
func Metrics(except ...string) func(*rest.Config, *http.Client) (metricsserver.Filter, error) {
	return func(config *rest.Config, httpClient *http.Client) (metricsserver.Filter, error) {
		c, err := reviewer(config, httpClient)
		if err != nil {
			return nil, err
		}
		gate := NewGate()
		return func(_ logr.Logger, handler http.Handler) (http.Handler, error) {
			return filter{c, gate, except, handler}, nil
		}, nil
	}
}

// reviewer returns a client for reviews only.
func reviewer(config *rest.Config, httpClient *http.Client) (client.Client, error) {
	scheme, mapper := runtime.NewScheme(), meta.NewDefaultRESTMapper(nil)
	for _, add := range []func(*runtime.Scheme) error{authenticationv1.AddToScheme, authorizationv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("building the scheme for reviews: %w", err)
		}
	}
	mapper.Add(authenticationv1.SchemeGroupVersion.WithKind("TokenReview"), meta.RESTScopeRoot)
	mapper.Add(authorizationv1.SchemeGroupVersion.WithKind("SubjectAccessReview"), meta.RESTScopeRoot)
	c, err := client.New(config, client.Options{HTTPClient: httpClient, Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("creating the client for reviews of metrics access: %w", err)
	}
	return c, nil
}

type filter struct {
	client client.Client
	gate   Gate
	except []string
	next   http.Handler
}

// ServeHTTP implements http.Handler.
func (f filter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, prefix := range f.except {
		if strings.HasPrefix(r.URL.Path, prefix) {
			f.next.ServeHTTP(w, r)
			return
		}
	}
	verb := strings.ToLower(r.Method)
	status, why := f.gate.InTurn(r, func() (int, string) {
		return Allowed(r.Context(), f.client, r.Header.Get("Authorization"), authorizationv1.SubjectAccessReviewSpec{
			NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: r.URL.Path, Verb: verb}},
			fmt.Sprintf("%s %s; ClusterRole mantle-metrics-reader gives the right", verb, r.URL.Path))
	})
	if status != http.StatusOK {
		http.Error(w, why, status)
		return
	}
	f.next.ServeHTTP(w, r)
}
