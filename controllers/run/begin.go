package run

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
)

// absentFor is how long a named object that is not there is waited for before the run is Stalled.
const absentFor = time.Minute

// obstacle is what keeps a run from beginning. The zero value means nothing does.
type obstacle struct {
	Phase           v1alpha1.RunPhase
	Reason, Message string
	// Stalled says that a person is needed.
	Stalled bool
	// Again is when to look again without an event.
	Again time.Duration
}

func waitFor(reason, format string, args ...any) obstacle {
	return obstacle{Phase: v1alpha1.RunWaiting, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// begin takes a run to the point where its set of targets is fixed. While it does not get there, others may.
func (r *Reconciler) begin(ctx context.Context, f facts) (again time.Duration, err error) {
	defer func() {
		if err != nil {
			r.lives.release(f.Run)
		}
	}()
	switch f.Stop {
	case plan.Cancel:
		return 0, r.finish(ctx, f, plan.Outcome{Phase: v1alpha1.RunCancelled, Reason: v1alpha1.ReasonCancelled, Message: "cancelled before anything began"})
	case plan.Supersede:
		return 0, r.finish(ctx, f, plan.Outcome{Phase: v1alpha1.RunSuperseded, Reason: v1alpha1.ReasonSuperseded, Message: "another release was wished before anything began"})
	}
	o, err := r.obstacle(ctx, f)
	if err != nil {
		return 0, err
	}
	if o.Phase.IsTerminal() {
		return 0, r.finish(ctx, f, plan.Outcome{Phase: o.Phase, Reason: o.Reason, Message: o.Message})
	}
	if o.Phase != "" {
		r.lives.release(f.Run)
		describeObstacle(f, o)
		return o.Again, nil
	}
	process, err := snapshot.Read(ctx, r.Client, f.Release)
	if err != nil {
		return 0, err
	}
	targets, outcome, err := r.fix(ctx, f, process)
	if err != nil {
		return 0, err
	}
	if outcome != nil {
		return 0, r.finish(ctx, f, *outcome)
	}
	if !controllerutil.ContainsFinalizer(f.Run, v1alpha1.FinalizerRun) {
		return time.Millisecond, r.holdRun(ctx, f.Run)
	}
	if err := r.commit(ctx, f, process, targets); err != nil {
		return 0, err
	}
	ctrl.LoggerFrom(ctx).Info("began", "release", f.Run.Spec.Release, "targets", len(targets))
	return time.Millisecond, nil
}

// obstacle looks for what the run waits for, in the order in which people want to hear of it.
func (r *Reconciler) obstacle(ctx context.Context, f facts) (obstacle, error) {
	fetched := func(context.Context, facts) (obstacle, error) { return r.packagesReady(f), nil }
	for _, look := range []func(context.Context, facts) (obstacle, error){r.lacks, r.bound, r.queued, fetched, r.recording} {
		if o, err := look(ctx, f); err != nil || o.Phase != "" {
			return o, err
		}
	}
	return obstacle{}, nil
}

// lacks tells what is not there that the run names.
func (r *Reconciler) lacks(ctx context.Context, f facts) (obstacle, error) {
	if f.Release == nil {
		return f.absent(v1alpha1.ReasonReleaseNotFound, "spec.release: there is no Release "+releaseName(f.Run.Spec)+" in this namespace; create it"), nil
	}
	if f.Environment == nil {
		return f.absent(v1alpha1.ReasonEnvironmentNotFound, "spec.environment: there is no Environment "+string(f.Run.Spec.Environment)+" in this namespace; create it"), nil
	}
	if !snapshot.Ready(f.Release) {
		return waitFor(v1alpha1.ReasonReleaseNotReady, "Release %s is not ready yet", f.Release.Name), nil
	}
	frozen, err := get(ctx, r.Client, f.Run.Namespace, f.Release.Status.Snapshot, &appsv1.ControllerRevision{})
	if err != nil {
		return obstacle{}, fmt.Errorf("reading snapshot %s: %w", f.Release.Status.Snapshot, err)
	}
	if frozen == nil {
		o := f.absent(v1alpha1.ReasonReleaseNotReady, "the process of Release "+f.Release.Name+" is gone: restore ControllerRevision "+
			f.Release.Status.Snapshot+", or delete the release and create it again")
		o.Again = time.Second // nobody tells of it
		return o, nil
	}
	return obstacle{}, nil
}

func (f facts) absent(reason, message string) obstacle {
	left := absentFor - f.Now.Sub(f.Run.CreationTimestamp.Time)
	return obstacle{Phase: v1alpha1.RunWaiting, Reason: reason, Message: message, Stalled: left <= 0, Again: max(left, 0)}
}

// bound keeps a person's run of another release than the binding's from fighting with the binding, and a binding's run
// from beginning while the binding is suspended.
func (r *Reconciler) bound(ctx context.Context, f facts) (obstacle, error) {
	if f.Binding != nil && f.Binding.Spec.Suspend {
		return waitFor(v1alpha1.ReasonSuspended, "ReleaseBinding %s is suspended; set its spec.suspend to false, or cancel this run", f.Binding.Name), nil
	}
	if f.Binding != nil {
		return obstacle{}, nil
	}
	var bindings v1alpha1.ReleaseBindingList
	if err := r.Client.List(ctx, &bindings, client.InNamespace(f.Run.Namespace)); err != nil {
		return obstacle{}, fmt.Errorf("listing bindings: %w", err)
	}
	for _, b := range bindings.Items {
		same := b.Spec.Project == f.Run.Spec.Project && b.Spec.Environment == f.Run.Spec.Environment
		if same && !b.Spec.Suspend && b.Spec.Release != f.Run.Spec.Release {
			o := waitFor(v1alpha1.ReasonBound, "spec.release: ReleaseBinding %s wishes release %s there; change the binding, or set its spec.suspend", b.Name, b.Spec.Release)
			o.Stalled = true
			return o, nil
		}
	}
	return obstacle{}, nil
}
