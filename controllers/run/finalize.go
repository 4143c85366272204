package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/optional"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
)

// addFinalizer answers true once the run has the finalizer, so that nothing is carried out for a run that can vanish. The
// change of the run brings the next pass. A person's run gets its labels by the same write.
func (r *Reconciler) addFinalizer(ctx context.Context, run *v1alpha1.DeploymentRun) (bool, error) {
	if !run.DeletionTimestamp.IsZero() || controllerutil.ContainsFinalizer(run, v1alpha1.FinalizerRun) {
		return true, nil
	}
	held := run.DeepCopy()
	controllerutil.AddFinalizer(held, v1alpha1.FinalizerRun)
	held.SetSpecLabels()
	if err := r.Client.Patch(ctx, held, client.MergeFromWithOptions(run, client.MergeFromWithOptimisticLock{})); client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("setting the finalizer of run %s: %w", run.Name, err)
	}
	return false, nil
}

// cleanUp lets go of a run that has ended: of its project and environment, of its actions, of the snapshot, and last of
// the finalizer. The answer is when to come again.
func (r *Reconciler) cleanUp(ctx context.Context, run *v1alpha1.DeploymentRun) (time.Duration, error) {
	if r.memory.end(nameOf(run)) {
		r.Dispatcher.Forget(run.UID)
	}
	r.Packages.Release(run.UID)
	if wait, err := r.records.After(ctx, run); err != nil || wait > 0 {
		return wait, err
	}
	if !controllerutil.ContainsFinalizer(run, v1alpha1.FinalizerRun) {
		return 0, nil
	}
	if err := snapshot.Disown(ctx, r.Client, r.Reader, run, run.Status.Snapshot); err != nil {
		return 0, err
	}
	return 0, r.removeFinalizer(ctx, run)
}

// removeFinalizer takes nothing else out of the list of finalizers: the write fails if somebody changed the run meanwhile,
// as the garbage collector does that adds its own.
func (r *Reconciler) removeFinalizer(ctx context.Context, run *v1alpha1.DeploymentRun) error {
	current, err := optional.Get(ctx, r.Reader, run.Namespace, run.Name, &v1alpha1.DeploymentRun{})
	if err != nil {
		return fmt.Errorf("reading run %s: %w", run.Name, err)
	}
	if current == nil || current.UID != run.UID {
		return nil
	}
	before := current.DeepCopy()
	controllerutil.RemoveFinalizer(current, v1alpha1.FinalizerRun)
	err = r.Client.Patch(ctx, current, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing the finalizer of run %s: %w", run.Name, err)
	}
	return nil
}

// forget lets go of the runs that had the name before, wherever something is kept for them: their actions are not carried
// on.
func (r *Reconciler) forget(ctx context.Context, name types.NamespacedName, run *v1alpha1.DeploymentRun) error {
	var stays types.UID
	if run != nil {
		stays = run.UID
	}
	var failed error
	for _, uid := range r.memory.forgotten(name, stays) {
		if uid == stays {
			continue
		}
		r.Dispatcher.Forget(uid)
		r.Packages.Release(uid)
		if err := r.Logs.Delete(name.Namespace, uid); err != nil {
			r.memory.vanished(name, uid) // the next pass tries again
			failed = errors.Join(failed, fmt.Errorf("deleting the output of run %s: %w", name.Name, err))
		}
	}
	if run != nil && failed != nil {
		ctrl.LoggerFrom(ctx).Error(failed, "is tried again") // which must not keep the run of now from going on
		return nil
	}
	return failed
}
