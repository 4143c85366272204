package turns

import (
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Transport bounds how many requests about the objects of one namespace are with the API server at once: its share of what
// the API server does for this process is that of one of its namespaces, however much there is to do in it. A namespace may
// have more of them while nothing was asked about another one for a second; else a turn rests for as long as its request
// took, so that others have an API server that is busy to themselves in between. Watches and requests about the namespaces
// that are left out do not count.
func Transport(perNamespace, alone int, leftOut ...string) func(http.RoundTripper) http.RoundTripper {
	gate := NewGate(math.MaxInt, perNamespace)
	gate.alone = alone
	free := map[string]bool{"": true}
	for _, namespace := range leftOut {
		free[namespace] = true
	}
	return func(next http.RoundTripper) http.RoundTripper { return sharing{gate, free, next} }
}

// longestRest bounds how long a turn rests.
const longestRest = 100 * time.Millisecond

type sharing struct {
	gate *Gate
	free map[string]bool
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper. The turn ends with the body of the response.
func (s sharing) RoundTrip(request *http.Request) (*http.Response, error) {
	namespace := namespaceOf(request)
	if s.free[namespace] {
		return s.next.RoundTrip(request)
	}
	if err := s.gate.Enter(request.Context(), namespace); err != nil {
		if request.Body != nil {
			_ = request.Body.Close() // a RoundTripper always does
		}
		return nil, err
	}
	begun := time.Now()
	leave := sync.OnceFunc(func() { s.gate.LeaveAfter(namespace, min(time.Since(begun), longestRest)) })
	response, err := s.next.RoundTrip(request)
	if err != nil || response.Body == nil {
		leave()
		return response, err
	}
	response.Body = leaving{response.Body, leave}
	return response, nil
}

// namespaceOf is the namespace that a request is about; empty if it is about none, or watches.
func namespaceOf(request *http.Request) string {
	if watch := request.URL.Query().Get("watch"); watch != "" && watch != "0" && watch != "false" {
		return ""
	}
	_, after, _ := strings.Cut(request.URL.Path, "/namespaces/")
	namespace, _, _ := strings.Cut(after, "/")
	return namespace
}

type leaving struct {
	io.ReadCloser
	leave func()
}

func (l leaving) Close() error {
	defer l.leave()
	return l.ReadCloser.Close()
}
