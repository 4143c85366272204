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

// rows are what the runs that are still there did to this very machine, the row of the older run first: times have seconds,
// and of two runs that ended within one the newer one holds.
func (r *Reconciler) rows(ctx context.Context, t *v1alpha1.DeploymentTarget) ([]v1alpha1.InstalledRelease, error) {
	// Each slice in the list is a copy of its own, but what is in it belongs to the cache.
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

// runOf is the run of a slice; nil if it is gone.
func (r *Reconciler) runOf(ctx context.Context, slice *v1alpha1.DeploymentRunSlice) (*v1alpha1.DeploymentRun, error) {
	owner := metav1.GetControllerOf(slice)
	if owner == nil {
		return nil, nil
	}
	run, err := optional.Get(ctx, r.Client, slice.Namespace, owner.Name, &v1alpha1.DeploymentRun{})
	if err != nil {
		return nil, fmt.Errorf("reading run: %w", err)
	}
	if run == nil || run.UID != owner.UID {
		return nil, nil
	}
	return run, nil
}

// row is what a slice says of this machine, or nil.
func (r *Reconciler) row(ctx context.Context, t *v1alpha1.DeploymentTarget, slice *v1alpha1.DeploymentRunSlice, run *v1alpha1.DeploymentRun) (*v1alpha1.InstalledRelease, error) {
	place := placeOf(slice, t)
	if place == nil {
		return nil, nil
	}
	slice, err := r.lastWord(ctx, t, slice, run)
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
	if err == nil { // it goes with its release, or is one of a later operator; what was written of it stays
		row.Steps = desired.StepNames(process.Steps, place.Steps)
	}
	return row, nil
}

// lastWord reads a slice past the cache where its run has ended and the target's row has not: the rows of a run are written
// before its end, so the cache lags behind, and what is only in part on the machine by its word may be there whole. A
// target without a row, of which the run speaks all the same, is asked for until it shows the run. What the cache shows is
// shared.
func (r *Reconciler) lastWord(ctx context.Context, t *v1alpha1.DeploymentTarget, slice *v1alpha1.DeploymentRunSlice, run *v1alpha1.DeploymentRun) (*v1alpha1.DeploymentRunSlice, error) {
	result := resultOf(slice, t.Name)
	switch {
	case !run.Status.Phase.IsTerminal(), result != nil && result.Phase.IsTerminal():
		return slice, nil
	case result == nil && (!desired.WentThrough(run.Status.Phase) || shown(t, run)):
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

// shown tells whether the target's status speaks of the run or, beyond doubt, of a newer one.
func shown(t *v1alpha1.DeploymentTarget, run *v1alpha1.DeploymentRun) bool {
	row := desired.Installed(t, run.Spec.Project, run.Spec.Environment)
	return row != nil && (row.RunUID == run.UID || run.Status.FinishTime != nil && row.Time != nil && run.Status.FinishTime.Before(row.Time))
}

// placeOf is the target's place in the slice, if the slice speaks of this machine and not of an earlier one of its name.
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
