package lease

import (
	"net/http"
	"strings"
)

// Transport returns a RoundTripper that sends requests that change something only while the fence is open.
func (l *Lease) Transport(next http.RoundTripper) http.RoundTripper {
	if l == nil {
		return next
	}
	return fenced{l, next}
}

type fenced struct {
	lease *Lease
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (f fenced) RoundTrip(request *http.Request) (*http.Response, error) {
	if mutates(request) {
		if err := f.lease.Fence(); err != nil {
			if request.Body != nil {
				_ = request.Body.Close() // a RoundTripper always does
			}
			return nil, err
		}
	}
	return f.next.RoundTrip(request)
}

// mutates reports whether a request changes something. Reviews of tokens and access are created but change nothing, and
// every replica creates them for the clients of its metrics.
func mutates(request *http.Request) bool {
	switch request.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	case http.MethodPost:
		return !strings.HasSuffix(request.URL.Path, "/apis/authentication.k8s.io/v1/tokenreviews") &&
			!strings.HasSuffix(request.URL.Path, "/apis/authorization.k8s.io/v1/subjectaccessreviews")
	default:
		return true
	}
}
