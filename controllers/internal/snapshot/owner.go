package snapshot

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/mantledeploy/mantle/controllers/internal/optional"
)

// Own adds an owner to a frozen process, so that it exists while the owner does, even if its release is deleted. reader
// must read from the API server.
func Own(ctx context.Context, c client.Client, reader client.Reader, owner client.Object, name string) error {
	var revision appsv1.ControllerRevision
	if err := reader.Get(ctx, types.NamespacedName{Namespace: owner.GetNamespace(), Name: name}, &revision); err != nil {
		return fmt.Errorf("reading snapshot %s: %w", name, err)
	}
	before := revision.DeepCopy()
	if err := controllerutil.SetOwnerReference(owner, &revision, c.Scheme()); err != nil {
		return fmt.Errorf("owning snapshot %s: %w", name, err)
	}
	if err := c.Patch(ctx, &revision, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("owning snapshot %s: %w", name, err)
	}
	return nil
}

// Disown removes an owner from a frozen process. The last owner is not removed, so that the garbage collector deletes the
// snapshot together with it.
func Disown(ctx context.Context, c client.Client, reader client.Reader, owner client.Object, name string) error {
	if name == "" {
		return nil
	}
	revision, err := optional.Get(ctx, reader, owner.GetNamespace(), name, &appsv1.ControllerRevision{})
	if err != nil {
		return fmt.Errorf("reading snapshot %s: %w", name, err)
	}
	if revision == nil {
		return nil
	}
	before := revision.DeepCopy()
	revision.OwnerReferences = slices.DeleteFunc(revision.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == owner.GetUID() })
	if left := len(revision.OwnerReferences); left == 0 || left == len(before.OwnerReferences) {
		return nil
	}
	err = c.Patch(ctx, revision, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("disowning snapshot %s: %w", name, err)
	}
	return nil
}
