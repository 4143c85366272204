package environment

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/identity"
)

// facts is what an environment's status is made of.
type facts struct {
	Environment *v1alpha1.Environment
	// Targets that belong to it.
	Targets []v1alpha1.DeploymentTarget
	// Lost says why the namespace's identity is lost; nil where it is not.
	Lost error
}

func (r *Reconciler) gather(ctx context.Context, e *v1alpha1.Environment) (facts, error) {
	f := facts{Environment: e}
	var targets v1alpha1.DeploymentTargetList
	if err := r.Client.List(ctx, &targets, client.InNamespace(e.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return f, fmt.Errorf("listing targets: %w", err)
	}
	f.Targets = slices.DeleteFunc(targets.Items, func(t v1alpha1.DeploymentTarget) bool {
		return !slices.Contains(t.Spec.Environments, v1alpha1.ObjectName(e.Name))
	})
	// The identity is made at first need.
	if _, f.Lost = r.Identities.For(ctx, e.Namespace); f.Lost != nil && !errors.Is(f.Lost, identity.ErrLost) {
		return f, fmt.Errorf("finding the operator's identity: %w", f.Lost)
	}
	return f, nil
}
