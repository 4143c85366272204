package run

import (
	"context"
	"fmt"
	"strconv"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
	"github.com/mantledeploy/mantle/controllers/internal/tentacle"
	"github.com/mantledeploy/mantle/controllers/internal/wish"
)

// The least time between two writes of progress to the slices of a run, by its size.
const (
	flushEvery      = time.Second
	flushEveryLarge = 5 * time.Second
	largeRun        = 1000
)

// advance takes a run whose targets are fixed one decision further.
func (r *Reconciler) advance(ctx context.Context, f facts) (time.Duration, error) {
	l, err := r.take(ctx, f)
	if err != nil && client.IgnoreNotFound(err) == nil && !f.Run.DeletionTimestamp.IsZero() {
		// A terminating namespace has taken the process already; what runs is left to its own timeout.
		return 0, r.finish(ctx, f, plan.Outcome{Phase: v1alpha1.RunCancelled, Reason: v1alpha1.ReasonDeleted, Message: "deleted together with its process"})
	}
	if err != nil {
		return 0, err
	}
	l.learnPackages(f)
	r.resume(ctx, f, l)
	r.ingest(f, l)
	return r.decide(ctx, f, l)
}

// decide asks the plan and carries its decision out, in the order of the package's writes.
func (r *Reconciler) decide(ctx context.Context, f facts, l *live) (time.Duration, error) {
	decision := plan.Next(planFacts(f, l))
	for _, note := range decision.Notes {
		ctrl.LoggerFrom(ctx).V(1).Info("decided", "why", note)
	}
	p := r.enter(ctx, f, l, decision)
	if decision.Outcome != nil {
		l.close(plan.Summarize(planFacts(f, l)))
	}
	again, err := r.write(ctx, f, l, l.begins() || decision.Outcome != nil)
	if err != nil {
		return 0, err
	}
	r.send(f, l, decision, p.actions)
	untold := r.resume(ctx, f, l)
	again = soonest(again, untold)
	now := planFacts(f, l)
	now.Held = l.held
	describeProgress(f, plan.Summarize(now), p.held)
	switch {
	case decision.Outcome != nil:
		return r.conclude(ctx, f, l, *decision.Outcome, untold)
	case p.ended:
		return time.Millisecond, nil // the plan has not seen yet that it has
	default:
		return soonest(soonest(again, p.held.Again), decision.Wake), nil
	}
}

// tellWithin bounds how long a run that has come to its end waits until the machines can be told of their results.
const tellWithin = 30 * time.Second

// conclude ends the run once every machine is told of its results, or cannot be told soon. The sessions keep nothing of
// its actions any more, as nobody would have them forget it later.
func (r *Reconciler) conclude(ctx context.Context, f facts, l *live, o plan.Outcome, untold time.Duration) (time.Duration, error) {
	if l.concluded.IsZero() {
		l.concluded = f.Now
	}
	if untold > 0 && f.Now.Sub(l.concluded) < tellWithin {
		return untold, nil
	}
	for k, row := range l.rows {
		if row.Attempt > 0 {
			r.Machines.Forget(l.ticket(f.Run, k))
		}
	}
	return 0, r.finish(ctx, f, o)
}

// begins tells whether an action waits for its row to be written before it is sent.
func (l *live) begins() bool {
	for _, row := range l.rows {
		if row.Phase == v1alpha1.StepRunning && !row.sent && !row.stored {
			return true
		}
	}
	return false
}

// planFacts is what plan.Next goes by.
func planFacts(f facts, l *live) plan.Facts {
	pf := plan.Facts{Now: f.Now, Steps: l.process.Steps, Settings: l.process.Settings, Purpose: f.Run.Spec.Purpose,
		Rows: make(map[plan.Key]plan.Row, len(l.rows)), Stop: f.Stop}
	if f.Stop != "" {
		if l.stopSince.IsZero() {
			l.stopSince = f.Now
			if f.Run.Status.CancelTime != nil {
				l.stopSince = f.Run.Status.CancelTime.Time
			}
		}
		pf.StopSince = l.stopSince
	}
	for name, at := range l.targets {
		pf.Targets = append(pf.Targets, planTarget(f, name, at.SliceTarget))
	}
	for k, r := range l.rows {
		pf.Rows[k] = r.Row
	}
	return pf
}

// planTarget tells how a target of the fixed set is now.
func planTarget(f facts, name string, was v1alpha1.SliceTarget) plan.Target {
	t := f.Targets[name]
	if t == nil || t.UID != was.UID {
		return plan.Target{Name: name, Availability: plan.Deleted}
	}
	pt := plan.Target{Name: name, Roles: t.Spec.Roles, Availability: plan.Available, RetryDuration: f.policy(t).RetryDuration()}
	switch {
	case t.Spec.Thumbprint != was.Thumbprint:
		pt.Availability = plan.Changed
	case t.Spec.Cordoned:
		pt.Availability, pt.Reason, pt.Message = plan.Cordoned, v1alpha1.ReasonCordoned, t.Spec.CordonReason
	case t.Status.Health == v1alpha1.HealthUnavailable:
		pt.Availability = plan.Unavailable
		pt.Reason, pt.Message = readyReason(t)
	case t.Status.Health == v1alpha1.HealthUntrusted:
		pt.Availability = plan.Untrusted
		pt.Reason, pt.Message = readyReason(t)
	case wish.Full(t, f.Run.Spec.Project, f.Run.Spec.Environment):
		pt.Availability = plan.Full
		pt.Message = fmt.Sprintf("it has %d pairs of project and environment already", wish.MaxInstalled)
	}
	return pt
}

func readyReason(t *v1alpha1.DeploymentTarget) (reason, message string) {
	for _, c := range t.Status.Conditions {
		if c.Type == v1alpha1.ConditionReady {
			return c.Reason, c.Message
		}
	}
	return "", ""
}

// ingest takes what the sessions report into the rows.
func (r *Reconciler) ingest(f facts, l *live) {
	for k, row := range l.rows {
		if row.Phase != v1alpha1.StepRunning || !row.sent {
			continue
		}
		report, known := r.Machines.Report(l.ticket(f.Run, k))
		if !known {
			continue
		}
		row.Begun, row.Pid = report.Begun, report.Pid
		if report.State == tentacle.Ended {
			r.settleRow(f, l, k, report)
		}
	}
}

// settleRow writes an action's end into its row.
func (r *Reconciler) settleRow(f facts, l *live, k plan.Key, report tentacle.Report) {
	row := l.touch(k)
	row.EndTime = f.Now
	if !report.Finished.IsZero() {
		row.EndTime = report.Finished
	}
	row.ExitCode, row.Reason, row.Message = report.ExitCode, report.Reason, cut(report.Message, maxMessage)
	row.seconds = strconv.FormatFloat(report.Seconds, 'f', 1, 64)
	row.log = &v1alpha1.ActionLog{Size: report.LogSize}
	switch report.Outcome {
	case tentacle.OutcomeSucceeded:
		row.Phase, row.Reason, row.Message = v1alpha1.StepSucceeded, "", ""
		l.keep(k, report.Result.Outputs)
	case tentacle.OutcomeUnsent:
		end := plan.Unsent(planFacts(f, l), k, report.Reason, report.Message)
		row.Phase, row.Reason, row.Message = end.Phase, end.Reason, cut(end.Message, maxMessage)
	case tentacle.OutcomeLost:
		row.Phase, row.Message = v1alpha1.StepLost, cut(report.Message+": "+plan.Where(k.Target, row.Row), maxMessage)
	case tentacle.OutcomeCancelled:
		row.Phase = v1alpha1.StepCancelled
	case tentacle.OutcomeAbandoned:
		row.Phase, row.Message = v1alpha1.StepAbandoned, cut(report.Message+": "+plan.Where(k.Target, row.Row), maxMessage)
	default:
		row.Phase = v1alpha1.StepFailed
	}
}

// keep notes the declared outputs of an action.
func (l *live) keep(k plan.Key, outputs map[string]string) {
	leaf := l.leaves[k.Step]
	for _, name := range leaf.Outputs {
		if value, given := outputs[string(name)]; given {
			if l.outputs[k.Target] == nil {
				l.outputs[k.Target] = map[string]string{}
			}
			l.outputs[k.Target][string(leaf.Name)+"."+string(name)] = value
		}
	}
	if leaf.Deploy == nil {
		return
	}
	for name, value := range outputs {
		if l.outputs[k.Target] == nil {
			l.outputs[k.Target] = map[string]string{}
		}
		l.outputs[k.Target][string(leaf.Name)+"."+name] = value
	}
}

func soonest(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
