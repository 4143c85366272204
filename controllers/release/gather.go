package release

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/optional"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
)

// facts is everything that a release's status depends on.
type facts struct {
	Now     time.Time
	Release *v1alpha1.Release
	// Project as read from the API server; nil if it does not exist, or if the process is frozen already.
	Project *v1alpha1.Project
	// Current is the project as read from the cache, for comparison only; nil if it does not exist.
	Current *v1alpha1.Project
	// Frozen is the frozen process, which is shared, and FrozenName the name of its ControllerRevision; nil until it is frozen.
	Frozen     *v1alpha1.ProjectSpec
	FrozenName string
	// Unreadable is why the frozen process cannot be decoded.
	Unreadable string
	// Runs of this release. They are shared.
	Runs []v1alpha1.DeploymentRun
}

func (r *Reconciler) gather(ctx context.Context, release *v1alpha1.Release) (facts, error) {
	f := facts{Now: r.Now(), Release: release}
	var runs v1alpha1.DeploymentRunList
	err := r.Client.List(ctx, &runs, client.InNamespace(release.Namespace), client.MatchingFields{runsByRelease: indexOf(release.Spec.Project, release.Spec.Version)}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return f, fmt.Errorf("listing runs: %w", err)
	}
	f.Runs = runs.Items
	if f.Current, err = optional.Get(ctx, r.Client, release.Namespace, string(release.Spec.Project), &v1alpha1.Project{}); err != nil {
		return f, fmt.Errorf("reading project: %w", err)
	}
	if err := r.gatherFrozen(ctx, &f); err != nil || f.Frozen != nil || f.Unreadable != "" {
		return f, err
	}
	if f.Project, err = optional.Get(ctx, r.Reader, release.Namespace, string(release.Spec.Project), &v1alpha1.Project{}); err != nil {
		return f, fmt.Errorf("reading project: %w", err)
	}
	return f, nil
}

// gatherFrozen reads the frozen process. If its name is not in the status, or the cache does not have it yet, gatherFrozen
// finds it by its label in the API server, so that a lost status does no harm.
func (r *Reconciler) gatherFrozen(ctx context.Context, f *facts) error {
	release := f.Release
	if name := release.Status.Snapshot; name != "" {
		revision, err := optional.Get(ctx, r.Client, release.Namespace, name, &appsv1.ControllerRevision{})
		if err != nil {
			return fmt.Errorf("reading snapshot %s: %w", name, err)
		}
		if revision != nil && revision.Labels[v1alpha1.LabelReleaseUID] == string(release.UID) {
			return r.take(f, revision)
		}
	}
	var revisions appsv1.ControllerRevisionList
	if err := r.Reader.List(ctx, &revisions, client.InNamespace(release.Namespace), client.MatchingLabels{v1alpha1.LabelReleaseUID: string(release.UID)}); err != nil {
		return fmt.Errorf("listing snapshots: %w", err)
	}
	for i := range revisions.Items {
		revision := &revisions.Items[i]
		if release.Status.Snapshot != "" && revision.Name != release.Status.Snapshot {
			continue
		}
		if err := r.take(f, revision); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reconciler) take(f *facts, revision *appsv1.ControllerRevision) error {
	process, err := r.Snapshots.Decode(revision)
	if errors.Is(err, snapshot.ErrUnreadable) {
		f.Unreadable = err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	f.Frozen, f.FrozenName = process, revision.Name
	return nil
}
