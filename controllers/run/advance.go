package run

import (
	"context"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
)

// acknowledgePause is the pause before machines that could not be located are told again, and acknowledgeWithin bounds how
// long a run that is over waits for that.
const (
	acknowledgePause  = 5 * time.Second
	acknowledgeWithin = 30 * time.Second
)

// advance takes a run whose targets are fixed one decision further, in the order of the package's writes.
func (r *Reconciler) advance(ctx context.Context, f facts) (time.Duration, error) {
	l := f.Live.ledger
	for _, report := range r.Dispatcher.Drain(f.Run.UID) {
		if err := r.apply(f, report); err != nil {
			return 0, err
		}
	}
	now := plan.Evaluate(view(f))
	for _, note := range now.Notes {
		ctrl.LoggerFrom(ctx).V(1).Info("decided", "why", note)
	}
	if err := r.record(f, now.Decision); err != nil {
		return 0, err
	}
	if now.Outcome != nil {
		l.Close(now.Results)
	}
	again, due := l.Due(f.Now)
	if due || l.HasPlanned() || now.Outcome != nil {
		again = 0
		if err := l.Store(ctx, r.Client, f.Now, now.Results, !f.Run.DeletionTimestamp.IsZero()); err != nil {
			return 0, err
		}
	}
	untold, err := r.dispatch(ctx, f, now)
	if err != nil {
		return 0, err
	}
	describeProgress(f, now.Summary)
	if now.Outcome != nil {
		return r.conclude(ctx, f, *now.Outcome, untold)
	}
	return soonest(soonest(again, untold), now.Wake), nil
}

// conclude ends the run once every machine was told of its results, or cannot be told soon.
func (r *Reconciler) conclude(ctx context.Context, f facts, o plan.Outcome, untold time.Duration) (time.Duration, error) {
	l := f.Live.ledger
	if l.Over.IsZero() {
		l.Over = f.Now
	}
	if untold > 0 && f.Now.Sub(l.Over) < acknowledgeWithin {
		return untold, nil
	}
	l.All(func(k ledger.Key, a *ledger.Attempt) {
		if a.State() != ledger.Acknowledged {
			r.Dispatcher.Drop(l.Ticket(k))
		}
	})
	finish(ctx, f, o)
	return 0, nil
}

// cannotGoOn says why a run whose targets are fixed does not go on; one that was cancelled ends.
func (r *Reconciler) cannotGoOn(ctx context.Context, f facts) (time.Duration, error) {
	if f.Stop == plan.Cancel {
		r.Dispatcher.Forget(f.Run.UID)
		// What runs is left to its own timeout.
		finish(ctx, f, plan.Outcome{Phase: v1alpha1.RunCancelled, Reason: v1alpha1.ReasonDeleted, Message: f.Problem})
		return 0, nil
	}
	describeWait(f, plan.Wait{Phase: v1alpha1.RunWaiting, Reason: v1alpha1.ReasonRecordsLost, Message: f.Problem, Stalled: true})
	return acknowledgePause, nil
}

// record writes a decision into the ledger.
func (r *Reconciler) record(f facts, d plan.Decision) error {
	l := f.Live.ledger
	for _, end := range d.End {
		if a := l.At(end.Key); a.Running() {
			r.Dispatcher.Drop(l.Ticket(end.Key))
		}
		if err := l.End(end.Key, f.Now, ended(end.Phase, end.Reason, end.Message)); err != nil {
			return err
		}
	}
	for _, start := range d.Start {
		l.Begin(start.Key, start.Attempt, f.Now, f.target(l.Targets[start.Target]).Host)
	}
	return nil
}

// dispatch hands out what the slices now say: starts, cancels, and results that are written. It answers when to come
// again for machines that could not be told of a result yet.
func (r *Reconciler) dispatch(ctx context.Context, f facts, now plan.Evaluation) (untold time.Duration, err error) {
	l := f.Live.ledger
	l.All(func(k ledger.Key, a *ledger.Attempt) {
		if err != nil {
			return
		}
		switch a.State() {
		case ledger.Recorded:
			if !a.Running() {
				return // a row that this operator does not know to read
			}
			r.Dispatcher.Dispatch(r.action(f, k, now))
			err = l.Dispatched(k)
		case ledger.Dispatched:
			r.relocate(f, k, a)
		case ledger.Stored:
			untold, err = r.acknowledge(ctx, f, k, untold)
		}
	})
	for _, k := range now.Cancel {
		l.Update(k, func(a *ledger.Attempt) { a.CancelTime = f.Now })
		r.Dispatcher.Cancel(l.Ticket(k))
	}
	for _, k := range now.GiveUp {
		r.Dispatcher.GiveUp(l.Ticket(k))
	}
	return untold, err
}

// relocate tells the dispatcher that a target has another address.
func (r *Reconciler) relocate(f facts, k ledger.Key, a *ledger.Attempt) {
	l := f.Live.ledger
	if host := f.target(l.Targets[k.Target]).Host; host != "" && a.Host != "" && host != a.Host {
		l.Update(k, func(a *ledger.Attempt) { a.Host = host })
		r.Dispatcher.Relocate(l.Ticket(k))
	}
}

// acknowledge tells the machine that a result is written. It is not told of one that may yet be lost: it would answer
// the next leader with nothing but the exit code.
func (r *Reconciler) acknowledge(ctx context.Context, f facts, k ledger.Key, untold time.Duration) (time.Duration, error) {
	l := f.Live.ledger
	if untold > 0 {
		return untold, nil // one failure may have waited for an API server that does not answer
	}
	machine, err := f.Live.inputs.Locate(ctx, l.Targets[k.Target])
	switch {
	case err == nil:
		r.Dispatcher.Acknowledge(l.UID, machine, l.Ticket(k))
	case final(err):
		r.Dispatcher.Drop(l.Ticket(k))
	default:
		ctrl.LoggerFrom(ctx).Info("cannot tell a machine of its result yet", "target", l.Targets[k.Target].Name, "why", err.Error())
		return acknowledgePause, nil
	}
	return 0, l.Acknowledged(k)
}

// view is what the plan goes by.
func view(f facts) plan.View {
	l := f.Live.ledger
	v := plan.View{Now: f.Now, Steps: l.Process.Steps, Settings: l.Process.Settings, Purpose: f.Run.Spec.Purpose, Attempts: l.Attempts, Stop: f.Stop}
	switch {
	case f.Stop == "":
		l.StopSince = time.Time{} // a release that was wished may not be wished any more
	case l.StopSince.IsZero():
		l.StopSince = f.Now
		if f.Run.Status.CancelTime != nil {
			l.StopSince = f.Run.Status.CancelTime.Time
		}
	}
	v.StopSince = l.StopSince
	v.Targets = make([]plan.Target, len(l.Targets))
	for i, was := range l.Targets {
		v.Targets[i] = f.target(was)
	}
	return v
}

// target tells how a target of the fixed set is now.
func (f facts) target(was v1alpha1.SliceTarget) plan.Target {
	t := f.Targets[was.Name]
	if t == nil {
		return plan.TargetOf(was, nil, nil, f.Run.Spec)
	}
	return plan.TargetOf(was, t, f.Policies[t.Spec.Policy], f.Run.Spec)
}

// soonest is the shorter of two pauses; 0 is none.
func soonest(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
