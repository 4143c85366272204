package release

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/feed"
	"github.com/mantledeploy/mantle/controllers/internal/packages"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
)

// heldAgain is the pause before a snapshot that blocks this release is read again: the controller does not watch for its
// deletion.
const heldAgain = 5 * time.Second

// carryOut freezes the process if it is not frozen yet, and resolves the packages.
func (r *Reconciler) carryOut(ctx context.Context, f facts, v verdict) (verdict, error) {
	if v.Freeze != nil {
		var err error
		if v, err = r.freeze(ctx, f, v); err != nil {
			return v, err
		}
	}
	if v.Process != nil {
		v = r.resolve(f.Release, v)
	}
	return v, nil
}

// freeze creates the snapshot of the process. If it exists already, an earlier pass may have created it.
func (r *Reconciler) freeze(ctx context.Context, f facts, v verdict) (verdict, error) {
	revision, err := snapshot.Freeze(f.Release, *v.Freeze, v.Digest)
	if errors.Is(err, snapshot.ErrTooLarge) {
		return verdict{Stalled: true, Reason: v1alpha1.ReasonSnapshotTooLarge, Message: err.Error()}, nil
	}
	if err != nil {
		return v, fmt.Errorf("freezing the process: %w", err)
	}
	err = r.Client.Create(ctx, revision)
	if apierrors.IsAlreadyExists(err) {
		err = r.adopt(ctx, revision)
	}
	if errors.Is(err, errHeld) {
		return verdict{Reason: v1alpha1.ReasonSnapshotInUse, Again: heldAgain, Message: "ControllerRevision " + revision.Name +
			" of an earlier Release of this name still exists; it is deleted with the last run that uses it; if no run uses it, delete it"}, nil
	}
	if err != nil {
		return v, fmt.Errorf("writing snapshot %s: %w", revision.Name, err)
	}
	v.Process, v.Snapshot = v.Freeze, revision.Name
	return v, nil
}

// errHeld means that the snapshot of an earlier release of this name still exists and has another content.
var errHeld = errors.New("a snapshot of an earlier release of this name still exists")

// adopt uses the existing snapshot if it has the same process. An earlier pass created it, or it belongs to an earlier release
// of this name and a run still uses it. This release becomes its owner.
func (r *Reconciler) adopt(ctx context.Context, wanted *appsv1.ControllerRevision) error {
	var there appsv1.ControllerRevision
	if err := r.Reader.Get(ctx, client.ObjectKeyFromObject(wanted), &there); err != nil {
		return err
	}
	same, err := snapshot.Same(&there, wanted)
	if err != nil && !errors.Is(err, snapshot.ErrUnreadable) {
		return err
	}
	if !same || !there.DeletionTimestamp.IsZero() {
		return errHeld
	}
	before := there.DeepCopy()
	there.OwnerReferences = slices.DeleteFunc(there.OwnerReferences, func(o metav1.OwnerReference) bool { return o.Kind == "Release" })
	there.OwnerReferences = append(there.OwnerReferences, wanted.OwnerReferences...)
	metav1.SetMetaDataLabel(&there.ObjectMeta, v1alpha1.LabelReleaseUID, wanted.Labels[v1alpha1.LabelReleaseUID])
	return r.Client.Patch(ctx, &there, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// resolve requests every package from the cache that has no digest in the status yet.
func (r *Reconciler) resolve(release *v1alpha1.Release, v verdict) verdict {
	owner := packages.Owner{Kind: OwnerKind, NamespacedName: client.ObjectKeyFromObject(release), UID: release.UID}
	v.Ready, v.Reason, v.Message = true, v1alpha1.ReasonResolved, "the process is frozen and every package was found"
	for i, wanted := range release.Spec.Packages {
		if known := resolved(release, wanted); known != nil {
			v.Packages = append(v.Packages, *known)
			continue
		}
		ref := packages.Ref{Namespace: release.Namespace, ID: packageID(v.Process, wanted.Name), Version: wanted.Version, Digest: wanted.Digest}
		p, state, err := r.Packages.Ensure(owner, ref)
		switch state {
		case packages.Ready:
			v.Packages = append(v.Packages, v1alpha1.ResolvedPackage{Name: string(wanted.Name), Version: wanted.Version, ID: ref.ID,
				Digest: p.Digest, ContentDigest: p.ContentDigest, Format: p.Format, Size: p.Size})
		case packages.Pending:
			v = v.worse(v1alpha1.ReasonPackagePending, fmt.Sprintf("package %s %s is being fetched", wanted.Name, wanted.Version), false)
		case packages.Failed:
			reason, stalled := classify(err)
			v = v.worse(reason, fmt.Sprintf("spec.packages[%d] (%s %s): %v", i, wanted.Name, wanted.Version, err), stalled)
			if at := r.Packages.RetryAt(ref); !at.IsZero() {
				v.Again = max(at.Sub(r.Now()), 0) + 1
			}
		}
	}
	return v
}

// worse returns v with the reason and message, unless v has a worse one already.
func (v verdict) worse(reason, message string, stalled bool) verdict {
	if v.Ready || stalled && !v.Stalled {
		v.Reason, v.Message = reason, message
	}
	v.Ready, v.Stalled = false, v.Stalled || stalled
	return v
}

// classify returns the reason for an error of the package cache, and whether a user has to act.
func classify(err error) (reason string, stalled bool) {
	var refused *feed.RefusedError
	var large *feed.TooLargeError
	var invalid *packages.InvalidError
	switch {
	case errors.As(err, &refused):
		return v1alpha1.ReasonPackageRefused, true
	case errors.As(err, &large), errors.As(err, &invalid):
		return v1alpha1.ReasonPackageInvalid, true
	case errors.Is(err, packages.ErrChanged):
		return v1alpha1.ReasonPackageChanged, true
	default:
		return v1alpha1.ReasonPackageUnavailable, false
	}
}

// resolved returns the package in the status; nil if it has none.
func resolved(release *v1alpha1.Release, wanted v1alpha1.ReleasePackage) *v1alpha1.ResolvedPackage {
	for i := range release.Status.Packages {
		p := &release.Status.Packages[i]
		if p.Name == string(wanted.Name) && p.Version == wanted.Version && p.ID != "" && p.Digest != "" {
			return p
		}
	}
	return nil
}

// packageID returns the ID of a package in the feed that the project names.
func packageID(process *v1alpha1.ProjectSpec, name v1alpha1.StepName) string {
	for _, p := range process.Packages {
		if p.Name == name {
			return p.URL
		}
	}
	return ""
}
