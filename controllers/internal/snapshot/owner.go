package snapshot

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/mantledeploy/mantle/controllers/internal/optional"
)

// Own adds an owner to a frozen process, so that it exists while the owner does, even if its release is deleted. It reads
// the object through c, and through reader, which must read from the API server, if c's is out of date.
func Own(ctx context.Context, c client.Client, reader client.Reader, owner client.Object, name string) error {
	err := own(ctx, c, c, owner, name)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		err = own(ctx, c, reader, owner, name)
	}
	if err != nil {
		return fmt.Errorf("owning snapshot %s: %w", name, err)
	}
	return nil
}

func own(ctx context.Context, c client.Client, from client.Reader, owner client.Object, name string) error {
	var revision appsv1.ControllerRevision
	if err := from.Get(ctx, types.NamespacedName{Namespace: owner.GetNamespace(), Name: name}, &revision); err != nil {
		return err
	}
	before := revision.DeepCopy()
	if err := controllerutil.SetOwnerReference(owner, &revision, c.Scheme()); err != nil {
		return err
	}
	return c.Patch(ctx, &revision, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// Disown removes an owner from a frozen process. The last owner is not removed, so that the garbage collector deletes the
// snapshot together with it. It reads as Own does.
func Disown(ctx context.Context, c client.Client, reader client.Reader, owner client.Object, name string) error {
	if name == "" {
		return nil
	}
	owned, err := disown(ctx, c, c, owner, name)
	if apierrors.IsConflict(err) || err == nil && !owned {
		_, err = disown(ctx, c, reader, owner, name)
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("disowning snapshot %s: %w", name, err)
	}
	return nil
}

// disown reports whether the object that it read had the owner.
func disown(ctx context.Context, c client.Client, from client.Reader, owner client.Object, name string) (owned bool, err error) {
	revision, err := optional.Get(ctx, from, owner.GetNamespace(), name, &appsv1.ControllerRevision{})
	if err != nil || revision == nil {
		return false, err
	}
	before := revision.DeepCopy()
	revision.OwnerReferences = slices.DeleteFunc(revision.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == owner.GetUID() })
	left := len(revision.OwnerReferences)
	if owned = left < len(before.OwnerReferences); !owned || left == 0 {
		return owned, nil
	}
	return true, c.Patch(ctx, revision, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}
