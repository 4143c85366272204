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

// heldAgain is how often a snapshot that is in the way is looked at: nothing tells when it goes.
const heldAgain = 5 * time.Second

// carryOut freezes the process where that is due, and finds the packages.
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

// freeze writes the process down. One that is there already was written by an earlier pass.
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
			" of an earlier Release of this name is still there; it goes with the runs that use it, and can be deleted where there are none"}, nil
	}
	if err != nil {
		return v, fmt.Errorf("writing snapshot %s: %w", revision.Name, err)
	}
	v.Process, v.Snapshot = v.Freeze, revision.Name
	return v, nil
}

// errHeld says that the snapshot of an earlier release of this name is still there and is no use to this one.
var errHeld = errors.New("an earlier one of this name is still there")

// adopt takes over what an earlier pass wrote, or what an earlier release of this name left, which a run may still need:
// the process is the same, and from now on the snapshot lives as long as this release.
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

// resolve asks the package cache for every package that has no digest in the status yet.
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
			v = v.unless(v1alpha1.ReasonPackagePending, fmt.Sprintf("package %s %s is being fetched", wanted.Name, wanted.Version), false)
		case packages.Failed:
			reason, stalled := classify(err)
			v = v.unless(reason, fmt.Sprintf("spec.packages[%d] (%s %s): %v", i, wanted.Name, wanted.Version, err), stalled)
			if at := r.Packages.RetryAt(ref); !at.IsZero() {
				v.Again = max(at.Sub(r.Now()), 0) + 1
			}
		}
	}
	return v
}

// unless keeps the worst of what was found.
func (v verdict) unless(reason, message string, stalled bool) verdict {
	if v.Ready || stalled && !v.Stalled {
		v.Reason, v.Message = reason, message
	}
	v.Ready, v.Stalled = false, v.Stalled || stalled
	return v
}

// classify names the reason, and says whether a person is needed.
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

// resolved is what the status already tells of a package.
func resolved(release *v1alpha1.Release, wanted v1alpha1.ReleasePackage) *v1alpha1.ResolvedPackage {
	for i := range release.Status.Packages {
		p := &release.Status.Packages[i]
		if p.Name == string(wanted.Name) && p.Version == wanted.Version && p.ID != "" && p.Digest != "" {
			return p
		}
	}
	return nil
}

// packageID is the id of a package in the feed that the project names.
func packageID(process *v1alpha1.ProjectSpec, name v1alpha1.StepName) string {
	for _, p := range process.Packages {
		if p.Name == name {
			return p.URL
		}
	}
	return ""
}
