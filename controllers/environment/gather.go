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

// facts is everything that an environment's status depends on.
type facts struct {
	Environment *v1alpha1.Environment
	// Targets that belong to it.
	Targets []v1alpha1.DeploymentTarget
	// Excluded are the projects that status.current does not list: those without packages that have no binding here.
	Excluded sets.Set[string]
	// Lost is why the namespace's identity is lost; nil if it is not.
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
	if f.Excluded, err = r.excluded(ctx, e); err != nil {
		return f, err
	}
	// For creates the identity if there is none.
	if _, f.Lost = r.Identities.For(ctx, e.Namespace); f.Lost != nil && !errors.Is(f.Lost, identity.ErrLost) {
		return f, fmt.Errorf("reading the operator's identity: %w", f.Lost)
	}
	return f, nil
}

// excluded returns the projects without packages that have no binding for the environment. Users run these, for example
// maintenance scripts, on demand.
func (r *Reconciler) excluded(ctx context.Context, e *v1alpha1.Environment) (sets.Set[string], error) {
	var projects v1alpha1.ProjectList
	if err := r.Client.List(ctx, &projects, client.InNamespace(e.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing projects: %w", err)
	}
	var bindings v1alpha1.ReleaseBindingList
	if err := r.Client.List(ctx, &bindings, client.InNamespace(e.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing bindings: %w", err)
	}
	excluded := sets.New[string]()
	for i := range projects.Items {
		if len(projects.Items[i].Spec.Packages) == 0 {
			excluded.Insert(projects.Items[i].Name)
		}
	}
	for i := range bindings.Items {
		if spec := &bindings.Items[i].Spec; string(spec.Environment) == e.Name {
			excluded.Delete(string(spec.Project))
		}
	}
	return excluded, nil
}
