package target

import (
	"context"
	"errors"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
	"github.com/mantledeploy/mantle/controllers/internal/optional"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
)

// rows returns the results of the existing runs on this machine, those of older runs first: times are in whole seconds, and
// of two runs that ended in the same second the newer one counts.
func (r *Reconciler) rows(ctx context.Context, t *v1alpha1.DeploymentTarget) ([]v1alpha1.InstalledRelease, error) {
	// The slices in the list are shallow copies; their contents are shared with the cache.
	var filled v1alpha1.DeploymentRunSliceList
	if err := r.Client.List(ctx, &filled, client.InNamespace(t.Namespace), client.MatchingFields{sliceTargets: t.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing slices: %w", err)
	}
	runs, of := make([]*v1alpha1.DeploymentRun, 0, len(filled.Items)), map[types.UID]v1alpha1.InstalledRelease{}
	for i := range filled.Items {
		run, err := r.runOf(ctx, &filled.Items[i])
		if err != nil {
			return nil, err
		}
		if run == nil {
			continue
		}
		row, err := r.row(ctx, t, &filled.Items[i], run)
		if err != nil {
			return nil, err
		}
		if row != nil {
			runs, of[run.UID] = append(runs, run), *row
		}
	}
	slices.SortFunc(runs, desired.Compare)
	rows := make([]v1alpha1.InstalledRelease, 0, len(runs))
	for _, run := range runs {
		rows = append(rows, of[run.UID])
	}
	return rows, nil
}

// runOf returns the run of a slice; nil if it was deleted.
func (r *Reconciler) runOf(ctx context.Context, slice *v1alpha1.DeploymentRunSlice) (*v1alpha1.DeploymentRun, error) {
	owner := metav1.GetControllerOf(slice)
	if owner == nil {
		return nil, nil
	}
	run, err := optional.Get(ctx, r.Client, slice.Namespace, owner.Name, &v1alpha1.DeploymentRun{}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("reading run: %w", err)
	}
	if run == nil || run.UID != owner.UID {
		return nil, nil
	}
	return run, nil
}

// row returns the result for this machine in a slice, or nil.
func (r *Reconciler) row(ctx context.Context, t *v1alpha1.DeploymentTarget, slice *v1alpha1.DeploymentRunSlice, run *v1alpha1.DeploymentRun) (*v1alpha1.InstalledRelease, error) {
	place := placeOf(slice, t)
	if place == nil {
		return nil, nil
	}
	slice, err := r.latestSlice(ctx, t, slice, run)
	if err != nil {
		return nil, err
	}
	row := desired.Row(run, *place, resultOf(slice, t.Name))
	if row == nil || len(place.Steps) == 0 {
		return row, nil
	}
	r.once.Do(func() { r.frozen = snapshot.NewReader(r.Client) })
	process, err := r.frozen.ReadNamed(ctx, run.Namespace, run.Status.Snapshot)
	if client.IgnoreNotFound(err) != nil && !errors.Is(err, snapshot.ErrUnreadable) {
		return nil, fmt.Errorf("reading the process of run %s: %w", run.Name, err)
	}
	if err == nil { // otherwise it was deleted, or a newer operator wrote it; merge then keeps the known steps
		row.Steps = desired.StepNames(process.Steps, place.Steps)
	}
	return row, nil
}

// latestSlice reads a slice from the API server if its run has ended but the target's row has not. The rows of a run are
// written before its end, so the cached slice is then old: a target that is Incomplete in it may have succeeded. The same
// applies to a target without a row, until its status has a row of the run or of a newer one. Otherwise it returns the
// cached slice, which must not be modified.
func (r *Reconciler) latestSlice(ctx context.Context, t *v1alpha1.DeploymentTarget, slice *v1alpha1.DeploymentRunSlice, run *v1alpha1.DeploymentRun) (*v1alpha1.DeploymentRunSlice, error) {
	result := resultOf(slice, t.Name)
	switch {
	case !run.Status.Phase.IsTerminal(), result != nil && result.Phase.IsTerminal():
		return slice, nil
	case result == nil && (!desired.WentThrough(run.Status.Phase) || recorded(t, run)):
		return slice, nil
	}
	last, err := optional.Get(ctx, r.Reader, slice.Namespace, slice.Name, &v1alpha1.DeploymentRunSlice{})
	if err != nil {
		return nil, fmt.Errorf("reading slice %s: %w", slice.Name, err)
	}
	if last == nil {
		return slice, nil
	}
	return last, nil
}

// recorded reports whether status.installed of the target has the row of the run, or one that is certainly newer.
func recorded(t *v1alpha1.DeploymentTarget, run *v1alpha1.DeploymentRun) bool {
	row := desired.Installed(t, run.Spec.Project, run.Spec.Environment)
	return row != nil && (row.RunUID == run.UID || run.Status.FinishTime != nil && row.Time != nil && run.Status.FinishTime.Before(row.Time))
}

// placeOf returns the target's entry in the slice, or nil if there is none, or only one of an earlier machine of that name.
func placeOf(slice *v1alpha1.DeploymentRunSlice, t *v1alpha1.DeploymentTarget) *v1alpha1.SliceTarget {
	for i := range slice.Spec.Targets {
		if s := &slice.Spec.Targets[i]; s.Name == t.Name && s.UID == t.UID && s.Thumbprint == t.Spec.Thumbprint {
			return s
		}
	}
	return nil
}

func resultOf(slice *v1alpha1.DeploymentRunSlice, target string) *v1alpha1.TargetResult {
	for i := range slice.Status.Results {
		if slice.Status.Results[i].Target == target {
			return &slice.Status.Results[i]
		}
	}
	return nil
}
