//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/hack/stage"
)

// leaseDuration is the operator's where a fail-over is measured: its default. A machine that carries everything may keep the API
// server from answering for five seconds.
const leaseDuration = 15 * time.Second

// failoverWindow is how many targets are in flight at once where a fail-over is measured, so that the new leader has
// something left to start.
const failoverWindow = "20%"

// failover kills the leader in the middle of a release, and measures how the standby takes over.
func failover(ctx context.Context, w *world) error {
	if !w.failover {
		return nil
	}
	version := v1alpha1.Version(fmt.Sprintf("1.%d.0", w.runs))
	before, err := w.toTheMiddle(ctx, version)
	if err != nil {
		return err
	}
	if err := w.leader.Kill(); err != nil {
		return err
	}
	ended := time.Now()
	w.leader, w.operator = w.standby, meter(w.standby.Pid())
	s, err := w.begin()
	if err != nil {
		return err
	}
	took, err := w.leads(ctx, ended)
	if err != nil {
		return err
	}
	if err := w.wait(ctx, "the runs have ended", patience(w.actions()), func() (bool, string, error) { return w.seen.haveEnded(w.projects, version) }); err != nil {
		return err
	}
	used, err := s.end()
	if err != nil {
		return err
	}
	return w.reportFailover(before, ended, took, used)
}

// toTheMiddle starts a standby and a release, and waits until that is under way. It gives how many scripts had run on each
// machine before.
func (w *world) toTheMiddle(ctx context.Context, version v1alpha1.Version) (before []int, err error) {
	if err := w.prepare(ctx, w.runs, version); err != nil {
		return nil, err
	}
	if w.standby, err = w.Standby(ctx, "--metrics-bind-address", "0", "--lease-duration", leaseDuration.String()); err != nil {
		return nil, err
	}
	if before, err = w.scripts(); err != nil {
		return nil, err
	}
	s, err := w.begin()
	if err != nil {
		return nil, err
	}
	if _, _, err := w.settle(ctx, s); err != nil { // the standby has filled its caches
		return nil, err
	}
	if err := parallel(w.projects, func(i int) error { return w.bind(ctx, i, version) }); err != nil {
		return nil, err
	}
	return before, w.wait(ctx, "a fifth of the scripts have started", patience(w.actions()), func() (bool, string, error) {
		now, err := w.scripts()
		n := 0
		for i := range now {
			n += now[i] - before[i]
		}
		return n*5 >= w.actions(), fmt.Sprintf("%d of %d", n, w.actions()), err
	})
}

// leads waits until another process than the killed one has the lease, and gives when it took it.
func (w *world) leads(ctx context.Context, ended time.Time) (took time.Time, err error) {
	err = w.wait(ctx, "the standby leads", time.Minute+leaseDuration, func() (bool, string, error) {
		var leases coordinationv1.LeaseList
		if err := w.client.List(ctx, &leases, client.InNamespace(stage.OperatorNamespace)); err != nil {
			return false, "", fmt.Errorf("reading the lease: %w", err)
		}
		for _, l := range leases.Items {
			if at := l.Spec.AcquireTime; at != nil && at.After(ended) {
				took = at.Time
				return true, "", nil
			}
		}
		return false, "the lease is the old leader's", nil
	})
	return took, err
}

func (w *world) reportFailover(before []int, ended, took time.Time, used spent) error {
	now, err := w.scripts()
	if err != nil {
		return err
	}
	var first time.Time
	twice, left := 0, 0
	for i := range w.targets {
		twice += max(0, now[i]-before[i]-w.steps)
		starts, err := lastStarts(w.home(i), w.steps)
		if err != nil {
			return err
		}
		for _, at := range starts {
			if !at.After(took) {
				continue
			}
			left++
			if first.IsZero() || at.Before(first) {
				first = at
			}
		}
	}
	if left == 0 {
		return errors.New("nothing was left to start when the standby took over: ask for more targets or steps")
	}
	r := newTable(fmt.Sprintf("Fail-over: %d projects, %d targets, %d steps, %d finished runs, lease of %s", w.projects, w.targets, w.steps, w.history, leaseDuration))
	r.row("old leader's end to the standby's lease", seconds(took.Sub(ended)))
	r.row("old leader's end to the first new start", seconds(first.Sub(ended)))
	r.row("that beyond the lease", seconds(first.Sub(ended)-leaseDuration))
	r.row("starts of the new leader", left)
	r.row("scripts that ran twice", twice)
	r.row("new leader's CPU, from the old one's end to the runs' end", share(used))
	r.row("new leader's RSS, peak", megabytes(used.peak))
	r.row("API requests but watches meanwhile", used.requests.count(noWatch))
	r.row("of those live lists (of runs)", fmt.Sprintf("%d (%d)", used.requests.count(liveLists), used.requests.count(liveRuns)))
	r.print()
	used.requests.print("Requests of the new leader, from the old one's end to the runs' end")
	if twice > 0 {
		return fmt.Errorf("%d scripts ran twice", twice)
	}
	return nil
}

// scripts is how many scripts have run on each machine.
func (w *world) scripts() ([]int, error) {
	all := make([]int, w.targets)
	for i := range all {
		content, err := os.ReadFile(filepath.Join(w.home(i), "times"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("reading when scripts ran: %w", err)
		}
		for _, c := range content {
			if c == '\n' {
				all[i]++
			}
		}
	}
	return all, nil
}
