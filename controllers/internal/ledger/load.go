package ledger

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// MaxSlices is how many slices a run can have: enough for 50,000 targets of a process with up to six actions.
const MaxSlices = 500

// Load reads the slices of a run from the API server, not from the cache, so that it sees what another leader wrote.
// The number of slices in the run's status is not trusted: only existing slices are used. Missing names those that the
// status counts and that do not exist.
func Load(ctx context.Context, reader client.Reader, run *v1alpha1.DeploymentRun, process *v1alpha1.ProjectSpec) (*Ledger, error) {
	count := int(min(max(run.Status.Slices, 0), MaxSlices))
	found, err := Slices(ctx, reader, run)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]*v1alpha1.DeploymentRunSlice, len(found))
	for i := range found {
		if metav1.IsControlledBy(&found[i], run) {
			byName[found[i].Name] = &found[i]
		}
	}
	var parts []*v1alpha1.DeploymentRunSlice
	var missing []string
	for i := range count {
		if part := byName[SliceName(run.Name, i)]; part != nil {
			parts = append(parts, part)
		} else if len(missing) < maxMissing {
			missing = append(missing, SliceName(run.Name, i))
		}
	}
	l := New(run, process, parts)
	l.Missing = missing
	return l, nil
}

// maxMissing bounds how many missing slices are named.
const maxMissing = 5

// Slices returns the slices of a run, in the order of the list.
func Slices(ctx context.Context, reader client.Reader, run *v1alpha1.DeploymentRun) ([]v1alpha1.DeploymentRunSlice, error) {
	var list v1alpha1.DeploymentRunSliceList
	err := reader.List(ctx, &list, client.InNamespace(run.Namespace), client.MatchingLabels{v1alpha1.LabelRunUID: string(run.UID)})
	if err != nil {
		return nil, fmt.Errorf("listing the slices of run %s: %w", run.Name, err)
	}
	return list.Items, nil
}
