package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// traffic asks every shop again and again, as customers would, and counts.
type traffic struct {
	stop   context.CancelFunc
	done   sync.WaitGroup
	mu     sync.Mutex
	asked  int
	least  int
	within map[string]int
}

// ask gives a shop's answer.
func ask(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return "", fmt.Errorf("building the request: %w", err)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return "", fmt.Errorf("asking %s: %w", address, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	return strings.TrimSpace(string(body)), err
}

// newTraffic begins to ask.
func newTraffic(ctx context.Context, shops []string) *traffic {
	ctx, stop := context.WithCancel(ctx)
	t := &traffic{stop: stop, least: len(shops), within: map[string]int{}}
	t.done.Go(func() {
		for ctx.Err() == nil {
			answered := 0
			for _, shop := range shops {
				answer, err := ask(ctx, shop)
				if ctx.Err() != nil {
					return
				}
				t.mu.Lock()
				t.asked++
				if err == nil {
					answered++
					_, version, _ := strings.Cut(answer, "shop ")
					version, _, _ = strings.Cut(version, " ")
					t.within[version]++
				}
				t.mu.Unlock()
			}
			t.mu.Lock()
			t.least = min(t.least, answered)
			t.mu.Unlock()
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	return t
}

// end stops asking and tells what was seen.
func (t *traffic) end() (asked, least int, within map[string]int) {
	t.stop()
	t.done.Wait()
	return t.asked, t.least, t.within
}
