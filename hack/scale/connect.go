//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// connect makes the targets, and measures until all are healthy.
func connect(ctx context.Context, w *world) error {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var mu sync.Mutex
	healthy, last := map[string]bool{}, ""
	err := w.watch(watching, map[client.Object]func(any){&v1alpha1.DeploymentTarget{}: func(object any) {
		mu.Lock()
		defer mu.Unlock()
		t := object.(*v1alpha1.DeploymentTarget)
		if t.Status.Health == v1alpha1.HealthHealthy {
			healthy[t.Name] = true
		} else if t.Status.Health != "" {
			last = t.Name + ": " + message(t.Status.Conditions)
		}
	}})
	if err != nil {
		return err
	}
	s, err := w.begin()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := parallel(w.targets, func(i int) error { return w.createTarget(ctx, i) }); err != nil {
		return err
	}
	created := time.Now()
	if err := w.wait(ctx, "all targets are Healthy", patience(w.targets), func() (bool, string, error) {
		mu.Lock()
		defer mu.Unlock()
		return len(healthy) == w.targets, fmt.Sprintf("%d of %d; %s", len(healthy), w.targets, last), nil
	}); err != nil {
		return err
	}
	ready := time.Now()
	used, err := s.end()
	if err != nil {
		return err
	}
	r := newTable(fmt.Sprintf("%d targets are connected", w.targets))
	r.row("targets created, first to last", seconds(created.Sub(began)))
	r.row("last target created to all Healthy", seconds(ready.Sub(created)))
	r.row("operator CPU, from the first created", share(used))
	r.row("operator RSS, peak", megabytes(used.peak))
	r.row("API requests but watches", used.requests.count(noWatch))
	r.print()
	used.requests.print("Requests of the operator meanwhile")
	return nil
}

// idle measures the operator while nothing changes.
func idle(ctx context.Context, w *world) error {
	if w.idle == 0 {
		return nil
	}
	s, err := w.begin()
	if err != nil {
		return err
	}
	if _, _, err := w.settle(ctx, s); err != nil {
		return err
	}
	if s, err = w.begin(); err != nil {
		return err
	}
	end := time.Now().Add(w.idle)
	if err := w.wait(ctx, "it has idled long enough", w.idle+time.Minute, func() (bool, string, error) {
		return time.Now().After(end), "until " + end.Format(time.TimeOnly), nil
	}); err != nil {
		return err
	}
	used, err := s.end()
	if err != nil {
		return err
	}
	aSecond := func(n int) string { return fmt.Sprintf("%.2f", float64(n)/used.wall.Seconds()) }
	r := newTable(fmt.Sprintf("Idle for %s: %d targets, %d bindings", used.wall.Round(time.Second), w.targets, w.projects))
	r.row("operator CPU", share(used))
	r.row("operator RSS, at the end / peak", megabytes(used.rss)+" / "+megabytes(used.peak))
	r.row("API requests a second but watches", aSecond(used.requests.count(noWatch)))
	r.row("without those of the lease", aSecond(used.requests.count(noLease)))
	r.row("writes but the lease", used.requests.count(writes))
	r.print()
	used.requests.print("Requests of the operator meanwhile")
	return nil
}
