package binding

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
	"github.com/mantledeploy/mantle/controllers/internal/optional"
)

// gatherNewest sets Expected and Skipped from the slices of the newest run, if it has ended.
func (r *Reconciler) gatherNewest(ctx context.Context, from client.Reader, f *facts) error {
	newest := f.Chain.Newest()
	if newest == nil || !newest.Status.Phase.IsTerminal() {
		return nil
	}
	rows, err := ledger.Slices(ctx, from, newest)
	if err != nil {
		return err
	}
	f.Expected, f.Skipped = desired.Expected(newest, rows, f.Desired)
	f.addResults(newest, rows)
	return nil
}

// addResults adds the successful results of the newest run to the desired targets whose status.installed does not have them
// yet, as the end of a large run causes thousands of such writes. Other results are read only from the targets: they can lead
// to another run.
func (f *facts) addResults(newest *v1alpha1.DeploymentRun, rows []v1alpha1.DeploymentRunSlice) {
	if newest.Status.Snapshot != f.Release.Status.Snapshot {
		return
	}
	missing := map[types.UID]*v1alpha1.DeploymentTarget{}
	for i := range f.Desired {
		if t := &f.Desired[i]; !desired.Shows(t, newest, f.Chain) {
			missing[t.UID] = t
		}
	}
	if len(missing) == 0 {
		return
	}
	desired.Each(rows, f.Desired, func(of v1alpha1.SliceTarget, result *v1alpha1.TargetResult) {
		t := missing[of.UID]
		if t == nil || result == nil || result.Phase != v1alpha1.StepSucceeded { // the cached slice may not have the result yet
			return
		}
		row := desired.Row(newest, of, result)
		if row == nil || row.Phase != v1alpha1.InstalledSucceeded {
			return
		}
		row.Steps = desired.StepNames(f.Process.Steps, of.Steps)
		t.Status.Installed = slices.DeleteFunc(slices.Clone(t.Status.Installed), func(other v1alpha1.InstalledRelease) bool {
			return other.Project == row.Project && other.Environment == row.Environment
		})
		t.Status.Installed = append(t.Status.Installed, *row)
	})
}

// confirm reads what a new run depends on again, from the API server, and reports whether the binding is unchanged.
func (r *Reconciler) confirm(ctx context.Context, f *facts, name string) (bool, error) {
	// The cache may not have a run yet that was just created, or its end, which must not lead to another run.
	var err error
	if f.Chain, err = chain(ctx, r.Reader, f.Binding); err != nil {
		return false, err
	}
	if err := r.gatherRecord(ctx, f); err != nil {
		return false, err
	}
	if err := r.gatherNewest(ctx, r.Reader, f); err != nil {
		return false, err
	}
	run, err := optional.Get(ctx, r.Reader, f.Binding.Namespace, name, &v1alpha1.DeploymentRun{})
	if err != nil {
		return false, fmt.Errorf("reading run %s: %w", name, err)
	}
	if run != nil && metav1.IsControlledBy(run, f.Binding) {
		return false, nil // it was created in the meantime
	}
	if run != nil {
		f.NameTaken = name
	}
	b, err := optional.Get(ctx, r.Reader, f.Binding.Namespace, f.Binding.Name, &v1alpha1.ReleaseBinding{})
	if err != nil {
		return false, fmt.Errorf("reading binding: %w", err)
	}
	return b != nil && b.UID == f.Binding.UID && b.ResourceVersion == f.Binding.ResourceVersion, nil
}
