package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/optional"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
	"github.com/mantledeploy/mantle/controllers/internal/recorded"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

// admit checks whether the run can start, and if so, selects its targets. If it has to wait, or on an error, other runs can
// start instead.
func (r *Reconciler) admit(ctx context.Context, f facts) (again time.Duration, err error) {
	defer func() {
		if err != nil {
			r.memory.releaseTurn(f.Run)
		}
	}()
	switch f.Stop {
	case plan.Cancel:
		finish(ctx, f, plan.Outcome{Phase: v1alpha1.RunCancelled, Reason: v1alpha1.ReasonCancelled, Message: "cancelled before any target started"})
		return 0, nil
	case plan.Supersede:
		finish(ctx, f, plan.Outcome{Phase: v1alpha1.RunSuperseded, Reason: v1alpha1.ReasonSuperseded,
			Message: fmt.Sprintf("superseded by release %s before any target started", f.Binding.Spec.Release)})
		return 0, nil
	}
	defer r.leave(f.Run)
	wait, err := r.wait(ctx, f)
	r.memory.record(f.Run, wait != nil && wait.Reason == v1alpha1.ReasonRecording)
	switch {
	case err != nil:
		return 0, err
	case wait != nil && wait.Phase.IsTerminal():
		finish(ctx, f, plan.Outcome{Phase: wait.Phase, Reason: wait.Reason, Message: wait.Message})
		return 0, nil
	case wait != nil:
		r.memory.releaseTurn(f.Run)
		describeWait(f, *wait)
		return wait.Again, nil
	}
	return r.resolveTargets(ctx, f)
}

// wait returns the first thing that the run has to wait for, or nil. The order is the one that helps users most.
func (r *Reconciler) wait(ctx context.Context, f facts) (*plan.Wait, error) {
	for _, gate := range []func(context.Context, facts) (*plan.Wait, error){r.missingObjects, r.heldByBinding, r.packagesReady, r.queued, r.hasRoom, r.confirmTurn} {
		if wait, err := gate(ctx, f); err != nil || wait != nil {
			return wait, err
		}
	}
	return nil, nil
}

func waitFor(reason, format string, args ...any) *plan.Wait {
	return &plan.Wait{Phase: v1alpha1.RunWaiting, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// missingObjects waits for the objects that the run names: its release with the snapshot, and its environment.
func (r *Reconciler) missingObjects(ctx context.Context, f facts) (*plan.Wait, error) {
	if f.Release == nil {
		return f.absent(v1alpha1.ReasonReleaseNotFound, "spec.release: there is no Release %s in this namespace; create it",
			v1alpha1.ReleaseName(f.Run.Spec.Project, f.Run.Spec.Release)), nil
	}
	if f.Environment == nil {
		return f.absent(v1alpha1.ReasonEnvironmentNotFound, "spec.environment: there is no Environment %s in this namespace; create it", f.Run.Spec.Environment), nil
	}
	if !snapshot.Ready(f.Release) {
		return waitFor(v1alpha1.ReasonReleaseNotReady, "%s", snapshot.NotReady(f.Release)), nil
	}
	frozen, err := optional.Get(ctx, r.Client, f.Run.Namespace, f.Release.Status.Snapshot, &appsv1.ControllerRevision{})
	if err != nil {
		return nil, fmt.Errorf("reading snapshot %s: %w", f.Release.Status.Snapshot, err)
	}
	if frozen == nil {
		wait := f.absent(v1alpha1.ReasonReleaseNotReady, "the process of Release %s is missing; restore ControllerRevision %s, or delete the release and create it again",
			f.Release.Name, f.Release.Status.Snapshot)
		wait.Again = time.Second // the controller does not watch for it
		return wait, nil
	}
	return nil, nil
}

func (f facts) absent(reason, format string, args ...any) *plan.Wait {
	wait := waitFor(reason, format, args...)
	wait.Stalled, wait.Again = status.Absence(f.Run.Status.Conditions, reason, f.Run.Generation, f.Now)
	return wait
}

// heldByBinding keeps a binding's run waiting while the binding is suspended. A run that a user created waits while a
// binding requests another release for the same project and environment, as each would undo what the other deploys.
func (r *Reconciler) heldByBinding(ctx context.Context, f facts) (*plan.Wait, error) {
	if f.Binding != nil {
		if f.Binding.Spec.Suspend {
			return waitFor(v1alpha1.ReasonSuspended, "ReleaseBinding %s is suspended; set its spec.suspend to false, or cancel this run", f.Binding.Name), nil
		}
		return nil, nil
	}
	var bindings v1alpha1.ReleaseBindingList
	if err := r.Client.List(ctx, &bindings, client.InNamespace(f.Run.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing bindings: %w", err)
	}
	for _, b := range bindings.Items {
		same := b.Spec.Project == f.Run.Spec.Project && b.Spec.Environment == f.Run.Spec.Environment
		if same && !b.Spec.Suspend && b.Spec.Release != f.Run.Spec.Release {
			wait := waitFor(v1alpha1.ReasonBound, "spec.release: ReleaseBinding %s requests release %s for this environment; change its spec.release, or set its spec.suspend to true", b.Name, b.Spec.Release)
			wait.Stalled = true
			return wait, nil
		}
	}
	return nil, nil
}

// packagesReady waits until every package of the release is in the cache.
func (r *Reconciler) packagesReady(_ context.Context, f facts) (*plan.Wait, error) {
	for _, p := range f.Release.Status.Packages {
		var not *dispatch.NotReady
		if err := r.composer.PackageReady(nameOf(f.Run), f.Run.UID, p); !errors.As(err, &not) {
			continue
		}
		wait := waitFor(not.Reason, "%s", not.Message)
		if wait.Again = not.RetryAfter; not.Final {
			wait.Phase = v1alpha1.RunFailed
		}
		return wait, nil
	}
	return nil, nil
}

// queued lets one run at a time proceed for each project and environment: the run that has started, or else the oldest one
// that waits for nothing else. Each of the others waits for the one directly before it, so that the end of a run concerns
// only the next (waitingBehind).
func (r *Reconciler) queued(ctx context.Context, f facts) (*plan.Wait, error) {
	others, err := recorded.Others(ctx, r.Client, f.Run)
	if err != nil {
		return nil, err
	}
	unfinished := map[types.UID]bool{}
	var before *v1alpha1.DeploymentRun
	for i := range others {
		other := &others[i]
		if other.Status.Phase.IsTerminal() {
			continue
		}
		unfinished[other.UID] = true
		if goesFirst(other, f.Run) && (before == nil || goesLater(other, before)) {
			before = other
		}
	}
	if before != nil {
		return &plan.Wait{Phase: v1alpha1.RunQueued, Reason: v1alpha1.ReasonQueued, Message: "waiting for run " + before.Name}, nil
	}
	if holder := r.memory.acquireTurn(f.Run, unfinished); holder != f.Run.UID {
		return &plan.Wait{Phase: v1alpha1.RunQueued, Reason: v1alpha1.ReasonQueued, Message: "waiting for another run", Again: time.Second}, nil
	}
	return nil, nil
}

// confirmTurn is the last check. It reads from the API server, as the cache of a new leader may not show yet that another
// run has started, or what the previous run did.
func (r *Reconciler) confirmTurn(ctx context.Context, f facts) (*plan.Wait, error) {
	others, err := recorded.Others(ctx, r.Reader, f.Run)
	if err != nil {
		return nil, err
	}
	for i := range others {
		if others[i].Status.StartTime != nil && !others[i].Status.Phase.IsTerminal() {
			return &plan.Wait{Phase: v1alpha1.RunQueued, Reason: v1alpha1.ReasonQueued, Message: "waiting for run " + others[i].Name, Again: time.Second}, nil
		}
	}
	if f.Binding == nil {
		return nil, nil
	}
	targets, err := r.targets(ctx, f.Run)
	if err != nil {
		return nil, err
	}
	return r.records.Before(ctx, others, targets)
}

// goesFirst reports whether run a has started, or is to start before b, which has not started.
func goesFirst(a, b *v1alpha1.DeploymentRun) bool {
	if a.Status.StartTime != nil {
		return true
	}
	if !waitsForTurn(a) {
		return false
	}
	return older(a, b)
}

// goesLater reports whether run a goes after b, if both go before the same run.
func goesLater(a, b *v1alpha1.DeploymentRun) bool {
	if started := a.Status.StartTime != nil; started != (b.Status.StartTime != nil) {
		return !started
	}
	return older(b, a)
}

// older reports whether run a is older than b.
func older(a, b *v1alpha1.DeploymentRun) bool {
	return byAge(a.CreationTimestamp.Time, a.Name, b.CreationTimestamp.Time, b.Name) < 0
}

// waitsForTurn reports whether a run that has not started waits only for its turn, according to its status. A run that waits
// for something else may wait forever, and must not block others.
func waitsForTurn(run *v1alpha1.DeploymentRun) bool {
	ready := meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		return true
	}
	switch ready.Reason {
	case v1alpha1.ReasonQueued, v1alpha1.ReasonNamespaceBusy, v1alpha1.ReasonRecording:
		return true
	default:
		return false
	}
}
