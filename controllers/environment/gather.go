package environment

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/identity"
)

// facts is what an environment's status is made of.
type facts struct {
	Environment *v1alpha1.Environment
	// Targets that belong to it.
	Targets []v1alpha1.DeploymentTarget
	// LeftOut are the projects of which nothing is current: those without packages that no binding deploys here.
	LeftOut sets.Set[string]
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
	var err error
	if f.LeftOut, err = r.leftOut(ctx, e); err != nil {
		return f, err
	}
	// The identity is made at first need.
	if _, f.Lost = r.Identities.For(ctx, e.Namespace); f.Lost != nil && !errors.Is(f.Lost, identity.ErrLost) {
		return f, fmt.Errorf("reading the operator's identity: %w", f.Lost)
	}
	return f, nil
}

// leftOut are the projects without packages that no binding deploys to the environment: people run them when they need them.
func (r *Reconciler) leftOut(ctx context.Context, e *v1alpha1.Environment) (sets.Set[string], error) {
	var projects v1alpha1.ProjectList
	if err := r.Client.List(ctx, &projects, client.InNamespace(e.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing projects: %w", err)
	}
	var bindings v1alpha1.ReleaseBindingList
	if err := r.Client.List(ctx, &bindings, client.InNamespace(e.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing bindings: %w", err)
	}
	left := sets.New[string]()
	for i := range projects.Items {
		if len(projects.Items[i].Spec.Packages) == 0 {
			left.Insert(projects.Items[i].Name)
		}
	}
	for i := range bindings.Items {
		if spec := &bindings.Items[i].Spec; string(spec.Environment) == e.Name {
			left.Delete(string(spec.Project))
		}
	}
	return left, nil
}
