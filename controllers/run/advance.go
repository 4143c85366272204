package run

import (
	"context"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
)

// acknowledgePause is the pause before results are acknowledged again whose machines could not be located.
// acknowledgeWithin limits how long a finished run waits for that.
const (
	acknowledgePause  = 5 * time.Second
	acknowledgeWithin = 30 * time.Second
)

// advance makes and carries out one decision for a run whose targets are fixed. The order of writes is in the package
// documentation.
func (r *Reconciler) advance(ctx context.Context, f facts) (time.Duration, error) {
	l := f.Active.ledger
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
	again, due := l.Due(f.Now, f.Active.took)
	if due || l.HasPlanned() || now.Outcome != nil {
		again = 0
		if err := l.Store(ctx, r.Client, f.Now, now.Results, !f.Run.DeletionTimestamp.IsZero()); err != nil {
			return 0, err
		}
	}
	retry, err := r.dispatch(ctx, f, now)
	if err != nil {
		return 0, err
	}
	r.memory.begin(f.Run)
	describeProgress(f, now.Summary)
	if now.Outcome != nil {
		return r.conclude(ctx, f, *now.Outcome, retry)
	}
	return soonest(soonest(again, retry), now.Wake), nil
}

// conclude finishes the run when all results are acknowledged, or after acknowledgeWithin. If retry is not zero, some are
// not, and are to be tried again after that time.
func (r *Reconciler) conclude(ctx context.Context, f facts, o plan.Outcome, retry time.Duration) (time.Duration, error) {
	l := f.Active.ledger
	if l.Over.IsZero() {
		l.Over = f.Now
	}
	if retry > 0 && f.Now.Sub(l.Over) < acknowledgeWithin {
		return retry, nil
	}
	l.All(func(k ledger.Key, a *ledger.Attempt) {
		if a.State() != ledger.Acknowledged {
			r.Dispatcher.Drop(l.Ticket(k))
		}
	})
	finish(ctx, f, o)
	return 0, nil
}

// blocked describes why a run whose targets are fixed cannot continue. A cancelled run is finished.
func (r *Reconciler) blocked(ctx context.Context, f facts) (time.Duration, error) {
	if f.Stop == plan.Cancel {
		r.Dispatcher.Forget(f.Run.UID)
		// Scripts that still run end at their own timeouts.
		finish(ctx, f, plan.Outcome{Phase: v1alpha1.RunCancelled, Reason: v1alpha1.ReasonDeleted, Message: f.Problem})
		return 0, nil
	}
	describeWait(f, plan.Wait{Phase: v1alpha1.RunWaiting, Reason: v1alpha1.ReasonRecordsLost, Message: f.Problem, Stalled: true})
	return acknowledgePause, nil
}

// record writes the starts and ends of a decision into the ledger.
func (r *Reconciler) record(f facts, d plan.Decision) error {
	l := f.Active.ledger
	for _, end := range d.End {
		if a := l.At(end.Key); a.Running() {
			r.Dispatcher.Drop(l.Ticket(end.Key))
		}
		if err := l.End(end.Key, f.Now, ended(end.Phase, end.Reason, end.Message)); err != nil {
			return err
		}
	}
	for _, start := range d.Start {
		begin := l.Begin
		if start.Away {
			begin = l.Try
		}
		begin(start.Key, start.Attempt, f.Now, f.target(l.Targets[start.Target]).Host)
	}
	return nil
}

// dispatch carries out what is now stored in the slices: it starts and cancels actions, and acknowledges stored results. It
// returns after what time to try again if a result could not be acknowledged, otherwise 0.
func (r *Reconciler) dispatch(ctx context.Context, f facts, now plan.Evaluation) (retry time.Duration, err error) {
	l := f.Active.ledger
	l.All(func(k ledger.Key, a *ledger.Attempt) {
		if err != nil {
			return
		}
		switch a.State() {
		case ledger.Planned: // no slice tells of it, as its machine is only connected to
			r.Dispatcher.Dispatch(r.action(f, k, now))
			err = l.Trying(k)
		case ledger.Recorded:
			if !a.Running() {
				return // a newer operator wrote this row
			}
			r.Dispatcher.Dispatch(r.action(f, k, now))
			err = l.Dispatched(k)
		case ledger.Dispatched:
			r.relocate(f, k, a)
		case ledger.Stored:
			retry, err = r.acknowledge(ctx, f, k, retry)
		}
	})
	for _, k := range now.Cancel {
		l.Update(k, func(a *ledger.Attempt) { a.CancelTime = f.Now })
		r.Dispatcher.Cancel(l.Ticket(k))
	}
	for _, k := range now.GiveUp {
		r.Dispatcher.GiveUp(l.Ticket(k))
	}
	return retry, err
}

// relocate notifies the dispatcher if the address of a target has changed.
func (r *Reconciler) relocate(f facts, k ledger.Key, a *ledger.Attempt) {
	l := f.Active.ledger
	if host := f.target(l.Targets[k.Target]).Host; host != "" && a.Host != "" && host != a.Host {
		l.Update(k, func(a *ledger.Attempt) { a.Host = host })
		r.Dispatcher.Relocate(l.Ticket(k))
	}
}

// acknowledge tells the machine that a result is stored, so that it may delete its own copy. This must not happen before the
// result is stored: the next leader would get only the exit code from the machine. A retry other than 0 means that an
// earlier result could not be acknowledged; then nothing is tried.
func (r *Reconciler) acknowledge(ctx context.Context, f facts, k ledger.Key, retry time.Duration) (time.Duration, error) {
	l := f.Active.ledger
	if retry > 0 {
		return retry, nil // each try may wait long for an API server that does not answer
	}
	machine, err := f.Active.inputs.Locate(ctx, l.Targets[k.Target])
	switch {
	case err == nil:
		r.Dispatcher.Acknowledge(l.UID, machine, l.Ticket(k))
	case final(err):
		r.Dispatcher.Drop(l.Ticket(k))
	default:
		ctrl.LoggerFrom(ctx).Info("cannot acknowledge a result yet", "target", l.Targets[k.Target].Name, "why", err.Error())
		return acknowledgePause, nil
	}
	return 0, l.Acknowledged(k)
}

// view returns the input of plan.Evaluate.
func view(f facts) plan.View {
	l := f.Active.ledger
	v := plan.View{Now: f.Now, Steps: l.Process.Steps, Settings: l.Process.Settings, Purpose: f.Run.Spec.Purpose, Attempts: l.Attempts, Stop: f.Stop}
	switch {
	case f.Stop == "":
		l.StopSince = time.Time{} // the binding may request the release of this run again
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
		if t := &v.Targets[i]; t.Availability == plan.Unavailable && l.Reached(i) {
			t.Availability, t.Reason, t.Message = plan.Available, "", ""
		}
	}
	return v
}

// target returns the present state of a target of the fixed set.
func (f facts) target(was v1alpha1.SliceTarget) plan.Target {
	t := f.Targets[was.Name]
	if t == nil {
		return plan.TargetOf(was, nil, nil, f.Run.Spec)
	}
	return plan.TargetOf(was, t, f.Policies[t.Spec.Policy], f.Run.Spec)
}

// soonest returns the shorter of two pauses; 0 means no pause.
func soonest(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
