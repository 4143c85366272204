package turns

import (
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Share is how many requests to the API server for the objects of one namespace run at once.
type Share struct {
	// Alone is the limit if there was no request for another namespace within the last second.
	Alone int
	// Modest is the limit of a namespace that had no more than this many at once within the last second.
	Modest int
	// Busy is the limit of any other namespace. A request of it keeps its turn for twice its duration, so that a busy API server
	// has time for others.
	Busy int
}

// Transport bounds how many requests of a namespace run at once, so that a busy namespace does not delay the others. Watches
// and requests for the excluded namespaces are not limited.
func Transport(share Share, excluded ...string) func(http.RoundTripper) http.RoundTripper {
	gate := NewGate(math.MaxInt, share.Busy)
	gate.alone, gate.modest = share.Alone, share.Modest
	free := map[string]bool{"": true}
	for _, namespace := range excluded {
		free[namespace] = true
	}
	return func(next http.RoundTripper) http.RoundTripper { return sharing{gate, free, next} }
}

// longestRest bounds how long a turn is kept after its request.
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

// namespaceOf returns the namespace of a request; empty if it has none, or is a watch.
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
