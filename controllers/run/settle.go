package run

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/wish"
)

// defaultHistory is how many finished runs are kept where there is no project to say.
const defaultHistory = 20

// settle cleans up after a run that has ended: the claim is given back, the finalizer let go, and the oldest runs beyond
// the project's history are deleted.
func (r *Reconciler) settle(ctx context.Context, run *v1alpha1.DeploymentRun) (ctrl.Result, error) {
	r.lives.release(run)
	if again, err := r.leaving(ctx, run); err != nil || again > 0 {
		return ctrl.Result{RequeueAfter: again}, err
	}
	if err := r.letGo(ctx, run); err != nil {
		return ctrl.Result{}, err
	}
	if !run.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.Logs.Delete(run.Namespace, run.Name)
	}
	return ctrl.Result{}, r.prune(ctx, run)
}

// letGo takes the finalizer away.
func (r *Reconciler) letGo(ctx context.Context, run *v1alpha1.DeploymentRun) error {
	if !controllerutil.ContainsFinalizer(run, v1alpha1.FinalizerRun) {
		return nil
	}
	if err := r.disownSnapshot(ctx, run); err != nil {
		return err
	}
	before := run.DeepCopy()
	controllerutil.RemoveFinalizer(run, v1alpha1.FinalizerRun)
	if err := r.Client.Patch(ctx, run, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("letting run %s go: %w", run.Name, err)
	}
	return nil
}

// disownSnapshot gives the frozen process back to its release, which may be gone by now. A last owner stays, so that the
// snapshot goes with this run: nobody else would delete it.
func (r *Reconciler) disownSnapshot(ctx context.Context, run *v1alpha1.DeploymentRun) error {
	if run.Status.Snapshot == "" {
		return nil
	}
	revision, err := get(ctx, r.Reader, run.Namespace, run.Status.Snapshot, &appsv1.ControllerRevision{})
	if err != nil {
		return fmt.Errorf("reading snapshot %s: %w", run.Status.Snapshot, err)
	}
	if revision == nil {
		return nil
	}
	before := revision.DeepCopy()
	revision.OwnerReferences = slices.DeleteFunc(revision.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == run.UID })
	if left := len(revision.OwnerReferences); left == 0 || left == len(before.OwnerReferences) {
		return nil
	}
	err = r.Client.Patch(ctx, revision, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("disowning snapshot %s: %w", revision.Name, err)
	}
	return nil
}

// prune deletes the oldest finished runs of the project in the environment, but never a binding's newest nor its last
// successful rollout.
func (r *Reconciler) prune(ctx context.Context, run *v1alpha1.DeploymentRun) error {
	keep := int32(defaultHistory)
	project, err := get(ctx, r.Client, run.Namespace, string(run.Spec.Project), &v1alpha1.Project{})
	if err != nil {
		return fmt.Errorf("reading project: %w", err)
	}
	if project != nil && project.Spec.History.Runs > 0 {
		keep = project.Spec.History.Runs
	}
	var runs v1alpha1.DeploymentRunList
	if err := r.Client.List(ctx, &runs, client.InNamespace(run.Namespace)); err != nil {
		return fmt.Errorf("listing runs: %w", err)
	}
	for _, old := range expendable(runs.Items, run, int(keep)) {
		if err := r.Client.Delete(ctx, &old, client.Preconditions{UID: &old.UID}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting run %s: %w", old.Name, err)
		}
		if err := r.Logs.Delete(old.Namespace, old.Name); err != nil {
			return err
		}
	}
	return nil
}

// expendable are the finished runs beyond the newest keep ones; it is pure.
func expendable(runs []v1alpha1.DeploymentRun, like *v1alpha1.DeploymentRun, keep int) []v1alpha1.DeploymentRun {
	var finished []v1alpha1.DeploymentRun
	for _, run := range runs {
		if keyOf(&run) == keyOf(like) && run.Status.Phase.IsTerminal() && run.DeletionTimestamp.IsZero() {
			finished = append(finished, run)
		}
	}
	slices.SortFunc(finished, func(a, b v1alpha1.DeploymentRun) int { return wish.Compare(&b, &a) })
	newest, rolledOut := map[string]bool{}, map[string]bool{}
	var old []v1alpha1.DeploymentRun
	for i, run := range finished {
		protected := false
		if owner := metav1.GetControllerOf(&run); owner != nil {
			protected = !newest[string(owner.UID)]
			newest[string(owner.UID)] = true
			if run.Status.Phase == v1alpha1.RunSucceeded && run.Spec.Purpose != v1alpha1.PurposeConvergence && !rolledOut[string(owner.UID)] {
				protected, rolledOut[string(owner.UID)] = true, true
			}
		}
		if i >= keep && !protected {
			old = append(old, run)
		}
	}
	return old
}
