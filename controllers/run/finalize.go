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
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

// addFinalizer adds the finalizer, and reports whether the run had it already. Nothing is started for a run without it, as
// that run could be deleted at any time. The change of the run triggers the next pass. The same write adds the labels to a
// run that a user created.
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

// cleanUp releases everything that is held for a run that has ended: its turn, its actions, its packages, the snapshot, and
// last the finalizer. It returns when to try again.
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

// removeFinalizer removes only the finalizer of this controller. The patch has the resourceVersion, as the garbage collector
// may have added a finalizer in the meantime. If the run was changed, it is read again.
func (r *Reconciler) removeFinalizer(ctx context.Context, run *v1alpha1.DeploymentRun) error {
	err := r.patchFinalizer(ctx, run)
	if !status.IsConflict(err) {
		return err
	}
	current, err := optional.Get(ctx, r.Reader, run.Namespace, run.Name, &v1alpha1.DeploymentRun{})
	if err != nil {
		return fmt.Errorf("reading run %s: %w", run.Name, err)
	}
	if current == nil || current.UID != run.UID {
		return nil
	}
	return r.patchFinalizer(ctx, current)
}

func (r *Reconciler) patchFinalizer(ctx context.Context, run *v1alpha1.DeploymentRun) error {
	without := run.DeepCopy()
	controllerutil.RemoveFinalizer(without, v1alpha1.FinalizerRun)
	err := r.Client.Patch(ctx, without, client.MergeFromWithOptions(run, client.MergeFromWithOptimisticLock{}))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing the finalizer of run %s: %w", run.Name, err)
	}
	return nil
}

// forget releases everything that is kept for earlier runs of the same name, and deletes their output. Their actions are not
// continued.
func (r *Reconciler) forget(ctx context.Context, name types.NamespacedName, run *v1alpha1.DeploymentRun) error {
	var stays types.UID
	if run != nil {
		stays = run.UID
	}
	var failed error
	for _, uid := range r.memory.takeDeleted(name, stays) {
		if uid == stays {
			continue
		}
		r.Dispatcher.Forget(uid)
		r.Packages.Release(uid)
		if err := r.Logs.Delete(name.Namespace, uid); err != nil {
			r.memory.noteDeleted(name, uid) // the next pass tries again
			failed = errors.Join(failed, fmt.Errorf("deleting the output of run %s: %w", name.Name, err))
		}
	}
	if run != nil && failed != nil {
		ctrl.LoggerFrom(ctx).Error(failed, "cannot delete the output of an earlier run, will retry") // the present run must not wait for it
		return nil
	}
	return failed
}
