//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// profileFor is how long one profile of the CPU is.
const profileFor = 10 * time.Second

// profiler writes down what the operator's CPU and memory go to.
type profiler struct{ address, dir string }

// profiler is nil where no profiles are asked for.
func (w *world) profiler() (*profiler, error) {
	if w.profiles == "" {
		return nil, nil //nolint:nilnil // none is asked for
	}
	if err := os.MkdirAll(w.profiles, 0o755); err != nil { //nolint:gosec // nothing in it is secret
		return nil, fmt.Errorf("making the folder for profiles: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	return &profiler{net.JoinHostPort("127.0.0.1", port), w.profiles}, nil
}

// run gets profiles until ctx ends, each with the time of day at which it began in its name.
func (p *profiler) run(ctx context.Context) {
	for p != nil && ctx.Err() == nil {
		at := time.Now().Format("150405")
		if err := p.get(ctx, fmt.Sprintf("profile?seconds=%d", int(profileFor.Seconds())), "cpu-"+at); err != nil {
			select { // the operator may not listen yet, or not any more
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
			continue
		}
		_ = p.get(ctx, "heap", "heap-"+at) // which the next one replaces
	}
}

func (p *profiler) get(ctx context.Context, what, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*profileFor)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+"/debug/pprof/"+what, http.NoBody)
	if err != nil {
		return fmt.Errorf("asking for a profile: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("asking for a profile: %w", err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode == http.StatusOK {
		err = os.WriteFile(filepath.Join(p.dir, name), content, 0o644) //nolint:gosec // nothing in it is secret
	}
	if err != nil {
		return fmt.Errorf("getting a profile: %w", err)
	}
	return nil
}
