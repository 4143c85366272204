package lease

import (
	"net/http"
	"strings"
)

// Transport is next for requests that read; what would change something is sent only while the fence is open.
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

// mutates tells whether a request changes what others see. Questions about tokens and rights are created, and change
// nothing; every replica asks them of who reads its metrics.
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
