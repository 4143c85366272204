package release

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
)

// facts is all that a release is judged by.
type facts struct {
	Now     time.Time
	Release *v1alpha1.Release
	// Project as it is now, read past the cache; nil where it is not there, or where the process is frozen.
	Project *v1alpha1.Project
	// Frozen is the process of this release and the name of its object; nil until it is frozen.
	Frozen     *v1alpha1.ProjectSpec
	FrozenName string
	// Runs of this release.
	Runs []v1alpha1.DeploymentRun
	// WaitingSince is when the release began to wait for what it waits for now.
	WaitingSince time.Time
}

func (r *Reconciler) gather(ctx context.Context, release *v1alpha1.Release) (facts, error) {
	f := facts{Now: r.Now(), Release: release, WaitingSince: waitingSince(release)}
	if err := r.gatherFrozen(ctx, &f); err != nil {
		return f, err
	}
	var runs v1alpha1.DeploymentRunList
	if err := r.Client.List(ctx, &runs, client.InNamespace(release.Namespace)); err != nil {
		return f, fmt.Errorf("listing runs: %w", err)
	}
	for _, run := range runs.Items {
		if run.Spec.Project == release.Spec.Project && run.Spec.Release == release.Spec.Version {
			f.Runs = append(f.Runs, run)
		}
	}
	if f.Frozen != nil {
		return f, nil
	}
	var project v1alpha1.Project
	err := r.Reader.Get(ctx, types.NamespacedName{Namespace: release.Namespace, Name: string(release.Spec.Project)}, &project)
	if apierrors.IsNotFound(err) {
		return f, nil
	}
	if err != nil {
		return f, fmt.Errorf("reading project: %w", err)
	}
	f.Project = &project
	return f, nil
}

// gatherFrozen finds the frozen process by its label, so that a lost status is no loss.
func (r *Reconciler) gatherFrozen(ctx context.Context, f *facts) error {
	var revisions appsv1.ControllerRevisionList
	if err := r.Reader.List(ctx, &revisions, client.InNamespace(f.Release.Namespace),
		client.MatchingLabels{v1alpha1.LabelReleaseUID: string(f.Release.UID)}); err != nil {
		return fmt.Errorf("listing snapshots: %w", err)
	}
	for i := range revisions.Items {
		revision := &revisions.Items[i]
		if f.Release.Status.Snapshot != "" && revision.Name != f.Release.Status.Snapshot {
			continue
		}
		process, err := snapshot.Decode(revision)
		if err != nil {
			return err
		}
		f.Frozen, f.FrozenName = process, revision.Name
	}
	return nil
}

func waitingSince(release *v1alpha1.Release) time.Time {
	for _, c := range release.Status.Conditions {
		if c.Type == v1alpha1.ConditionReady && c.Status == "False" && waits[c.Reason] {
			return c.LastTransitionTime.Time
		}
	}
	return time.Time{}
}

// waits are the reasons for which a release is Stalled after a minute.
var waits = map[string]bool{
	v1alpha1.ReasonProjectNotFound:       true,
	v1alpha1.ReasonProcessDigestMismatch: true,
}
