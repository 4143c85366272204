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

// traffic asks every shop again and again, as customers would, and counts. Each round asks all of them at the same time.
type traffic struct {
	stop   context.CancelFunc
	done   sync.WaitGroup
	counts counts
}

// counts are what customers saw.
type counts struct {
	asked, unanswered int
	least             int            // how many shops answered in the worst round
	within            map[string]int // answers by version
}

// ask gives a shop's answer.
func ask(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
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
	if err != nil {
		return "", fmt.Errorf("reading the answer of %s: %w", address, err)
	}
	return strings.TrimSpace(string(body)), nil
}

// newTraffic begins to ask.
func newTraffic(ctx context.Context, shops []string) *traffic {
	ctx, stop := context.WithCancel(ctx)
	t := &traffic{stop: stop, counts: counts{least: len(shops), within: map[string]int{}}}
	t.done.Go(func() {
		for ctx.Err() == nil {
			t.round(ctx, shops)
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	return t
}

// round asks every shop once.
func (t *traffic) round(ctx context.Context, shops []string) {
	versions := make([]string, len(shops))
	var all sync.WaitGroup
	for i, shop := range shops {
		all.Go(func() {
			if answer, err := ask(ctx, shop); err == nil {
				versions[i] = versionOf(answer)
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return // cut off by us
	}
	answered := 0
	for _, version := range versions {
		if version != "" {
			answered++
			t.counts.within[version]++
		}
	}
	t.counts.asked += len(shops)
	t.counts.unanswered += len(shops) - answered
	t.counts.least = min(t.counts.least, answered)
}

// versionOf is the version that a shop says it is; empty where it says none.
func versionOf(answer string) string {
	_, version, _ := strings.Cut(answer, "shop ")
	version, _, _ = strings.Cut(version, " ")
	return version
}

// end stops asking and tells what was seen.
func (t *traffic) end() counts {
	t.stop()
	t.done.Wait()
	return t.counts
}
