package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// MaxTargets returns how many targets a run of a process can have.
func MaxTargets(process *v1alpha1.ProjectSpec) int {
	return MaxSlices * perSlice(len(v1alpha1.Leaves(process.Steps)))
}

// Cut distributes the targets of a run, by name, over slices that always stay under 256 KiB, and fixes which steps
// address them.
func Cut(run *v1alpha1.DeploymentRun, process *v1alpha1.ProjectSpec, targets []v1alpha1.DeploymentTarget) []v1alpha1.DeploymentRunSlice {
	slices.SortFunc(targets, func(a, b v1alpha1.DeploymentTarget) int { return strings.Compare(a.Name, b.Name) })
	var cut []v1alpha1.DeploymentRunSlice
	for part := range slices.Chunk(targets, perSlice(len(v1alpha1.Leaves(process.Steps)))) {
		s := v1alpha1.DeploymentRunSlice{ObjectMeta: metav1.ObjectMeta{
			Namespace: run.Namespace, Name: SliceName(run.Name, len(cut)),
			Labels:          run.Spec.Labels(),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(run, v1alpha1.GroupVersion.WithKind("DeploymentRun"))},
		}}
		s.Labels[v1alpha1.LabelRunUID] = string(run.UID)
		for _, t := range part {
			s.Spec.Targets = append(s.Spec.Targets, v1alpha1.SliceTarget{Name: t.Name, UID: t.UID, Thumbprint: t.Spec.Thumbprint, Steps: addressing(process, t.Spec.Roles)})
		}
		cut = append(cut, s)
	}
	return cut
}

// addressing returns the indexes of the top-level steps that address a target with these roles.
func addressing(process *v1alpha1.ProjectSpec, roles []v1alpha1.Role) []int32 {
	var steps []int32
	for i, s := range process.Steps {
		if s.Addresses(roles) {
			steps = append(steps, int32(i))
		}
	}
	return steps
}

// Create creates the slices of a run. It first deletes those of an earlier attempt that was not committed; they are
// read from the API server, not from the cache.
func Create(ctx context.Context, c client.Client, reader client.Reader, run *v1alpha1.DeploymentRun, parts []v1alpha1.DeploymentRunSlice) error {
	old, err := Slices(ctx, reader, run)
	if err != nil {
		return err
	}
	for i := range old {
		uid := old[i].UID
		if err := c.Delete(ctx, &old[i], client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting slice %s of an earlier attempt: %w", old[i].Name, err)
		}
	}
	for i := range parts {
		if err := c.Create(ctx, &parts[i]); err != nil {
			return fmt.Errorf("creating slice %s: %w", parts[i].Name, err)
		}
	}
	return nil
}
