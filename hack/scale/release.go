//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// patience is how long work on a number of things may take before something must be wrong.
func patience(n int) time.Duration { return 3*time.Minute + time.Duration(n)*150*time.Millisecond }

// The operator has settled when it has written nothing for quiet; it is waited for at most longestUnrest.
const (
	quiet         = 5 * time.Second
	longestUnrest = 3 * time.Minute
)

// release brings release n of every project to its targets.
func release(ctx context.Context, w *world, n int) error {
	version := v1alpha1.Version(fmt.Sprintf("1.%d.0", n))
	if err := w.prepare(ctx, n, version); err != nil {
		return err
	}
	s, err := w.begin()
	if err != nil {
		return err
	}
	edited := s.operator.at
	if err := parallel(w.projects, func(i int) error { return w.bind(ctx, i, version) }); err != nil {
		return err
	}
	if err := w.wait(ctx, "the runs have ended", patience(w.actions()), func() (bool, string, error) { return w.seen.haveEnded(w.projects, version) }); err != nil {
		return err
	}
	running, err := s.end()
	if err != nil {
		return err
	}
	if err := w.wait(ctx, "the bindings are Ready", patience(w.targets), func() (bool, string, error) { return w.seen.areReady(w.projects, version) }); err != nil {
		return err
	}
	after, settled, err := w.settle(ctx, s)
	if err != nil {
		return err
	}
	return w.report(ctx, version, edited, running, after, settled)
}

// prepare makes the projects once, and the releases of a version.
func (w *world) prepare(ctx context.Context, n int, version v1alpha1.Version) error {
	err := parallel(w.projects, func(i int) error {
		if n == 0 {
			if err := w.createProject(ctx, i); err != nil {
				return err
			}
		}
		return w.createRelease(ctx, i, version)
	})
	if err != nil {
		return err
	}
	if err := w.released(ctx, version); err != nil {
		return err
	}
	s, err := w.begin()
	if err != nil {
		return err
	}
	_, _, err = w.settle(ctx, s)
	return err
}

// settle waits until the operator has written nothing for a while, and says whether it came to that.
func (w *world) settle(ctx context.Context, s *stretch) (spent, bool, error) {
	all, err := s.end()
	if err != nil {
		return all, false, err
	}
	for began, wrote := time.Now(), time.Now(); time.Since(began) < longestUnrest; {
		select {
		case <-ctx.Done():
			return all, false, context.Cause(ctx)
		case <-time.After(time.Second):
		}
		more, err := s.end()
		if err != nil {
			return all, false, err
		}
		all.join(more)
		if more.requests.count(writes) > 0 {
			wrote = time.Now()
		}
		if time.Since(wrote) > quiet {
			return all, true, nil
		}
	}
	return all, false, nil
}

// join adds what was used after that.
func (u *spent) join(more spent) {
	u.wall, u.cpu, u.apiCPU = u.wall+more.wall, u.cpu+more.cpu, u.apiCPU+more.apiCPU
	u.rss, u.peak = more.rss, max(u.peak, more.peak)
	u.requests.join(more.requests)
}

// report prints what a release cost.
func (w *world) report(ctx context.Context, version v1alpha1.Version, edited time.Time, running, after spent, settled bool) error {
	parts, everything, err := w.measureSizes(ctx)
	if err != nil {
		return err
	}
	ready, missed := w.seen.toReady(version)
	perAction := func(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000/float64(w.actions())) }
	r := newTable(fmt.Sprintf("Release %s: %d projects, %d targets, %d steps", version, w.projects, w.targets, w.steps))
	r.row("wall from the bindings' edit to the runs' end", seconds(running.wall))
	r.row("targets that the runs did not reach", missed)
	r.row("operator CPU, an action", perAction(running.cpu))
	r.row("operator CPU", share(running))
	r.row("API server and etcd CPU, an action", perAction(running.apiCPU))
	r.row("operator RSS, peak", megabytes(max(running.peak, after.peak)))
	r.row("API requests but watches, in the run", running.requests.count(noWatch))
	r.row("of those live lists (of runs)", fmt.Sprintf("%d (%d)", running.requests.count(liveLists), running.requests.count(liveRuns)))
	r.row("of those writes", running.requests.count(writes))
	r.row("slices", fmt.Sprintf("%d, the largest %s, all %s", parts.count, kibibytes(parts.largest), kibibytes(parts.all)))
	r.row("largest object", fmt.Sprintf("%s (%s)", kibibytes(everything.largest), everything.name))
	r.row("run's end to binding's Ready, median / longest", seconds(percentile(ready, 50))+" / "+seconds(percentile(ready, 100)))
	quietAfter := seconds(after.wall - quiet)
	if !settled {
		quietAfter = "never, in " + seconds(after.wall)
	}
	r.row("runs' end to the operator's last write", quietAfter)
	r.row("operator CPU after the runs' end", share(after))
	r.row("API requests but watches, after the runs' end", after.requests.count(noWatch))
	r.row("of those live lists (of runs)", fmt.Sprintf("%d (%d)", after.requests.count(liveLists), after.requests.count(liveRuns)))
	if err := w.gaps(r, edited); err != nil {
		return err
	}
	r.print()
	running.requests.print("Requests of the operator in the run")
	after.requests.print("Requests of the operator after it")
	return nil
}
