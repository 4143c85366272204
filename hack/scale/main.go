//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

// options are the command line.
type options struct {
	targets, steps, runs, projects, history int
	failover                                bool
	idle                                    time.Duration
	profiles                                string
}

// actions is how many scripts one release runs.
func (o options) actions() int { return o.targets * o.steps }

func main() {
	ctrl.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	var minutes float64
	set := flag.NewFlagSet("scale", flag.ContinueOnError)
	set.IntVar(&o.targets, "targets", 500, "number of targets")
	set.IntVar(&o.steps, "steps", 1, "number of steps in a release, each of them a script")
	set.IntVar(&o.runs, "runs", 1, "number of releases, one after the other")
	set.IntVar(&o.projects, "projects", 1, "number of projects that are released at once, each to its share of the targets")
	set.BoolVar(&o.failover, "failover", false, "kill the leader in the middle of one more release, with a standby running")
	set.IntVar(&o.history, "history", 0, "number of finished runs that are there from the start")
	set.Float64Var(&minutes, "idle", 0, "minutes of idling that are measured at the end")
	set.StringVar(&o.profiles, "profile", "", "the folder that profiles of the operator's CPU and memory are written to; empty writes none")
	if err := set.Parse(args); err != nil {
		return o, fmt.Errorf("reading the flags: %w", err)
	}
	o.idle = time.Duration(minutes * float64(time.Minute))
	if min(o.targets, o.steps, o.projects) < 1 || min(o.runs, o.history, int(o.idle)) < 0 {
		return o, errors.New("-targets, -steps and -projects must be at least 1, -runs, -history and -idle at least 0")
	}
	if o.projects > o.targets {
		return o, fmt.Errorf("%d projects need at least as many targets", o.projects)
	}
	return o, nil
}

// run measures and cleans up.
func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	w, err := newWorld(o)
	if err != nil {
		return err
	}
	err = measure(ctx, w)
	switch {
	case ctx.Err() != nil:
		err = errors.New("interrupted")
	case err != nil:
		err = fmt.Errorf("%w\n%s", err, w.LastLines())
	}
	return errors.Join(err, w.close())
}

// measure does everything in its order, and prints each table when it is known.
func measure(ctx context.Context, w *world) error {
	if err := w.start(ctx); err != nil {
		return err
	}
	for _, part := range []func(context.Context, *world) error{connect, releases, failover, idle} {
		if err := part(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

func releases(ctx context.Context, w *world) error {
	for n := range w.runs {
		if err := release(ctx, w, n); err != nil {
			return err
		}
	}
	return nil
}
