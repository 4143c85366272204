package binding

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// byRole is the name of the index of DeploymentTargets by environment and role; indexByRole has its keys.
const byRole = "spec.environments,spec.roles"

// indexByRole returns the keys of a target in the index byRole.
func indexByRole(o client.Object) []string {
	t, ok := o.(*v1alpha1.DeploymentTarget)
	if !ok {
		return nil
	}
	var keys []string
	for _, environment := range t.Spec.Environments {
		keys = append(keys, roleKey(environment, ""))
		for _, role := range t.Spec.Roles {
			keys = append(keys, roleKey(environment, role))
		}
	}
	return keys
}

func roleKey(environment v1alpha1.ObjectName, role v1alpha1.Role) string {
	return string(environment) + "/" + string(role)
}

// candidatesFor returns the targets of the environment that at least one of the steps addresses, from a cache with the index
// byRole. They are shared with the cache and must not be modified.
func candidatesFor(ctx context.Context, c client.Reader, namespace string, environment v1alpha1.ObjectName, steps []v1alpha1.Step) ([]v1alpha1.DeploymentTarget, error) {
	var candidates []v1alpha1.DeploymentTarget
	keys := roleKeys(environment, steps)
	seen := sets.New[string]()
	for _, key := range sets.List(keys) {
		var found v1alpha1.DeploymentTargetList
		if err := c.List(ctx, &found, client.InNamespace(namespace), client.MatchingFields{byRole: key}, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("listing targets: %w", err)
		}
		if len(keys) == 1 {
			return found.Items, nil
		}
		for i := range found.Items {
			if name := found.Items[i].Name; !seen.Has(name) {
				seen.Insert(name)
				candidates = append(candidates, found.Items[i])
			}
		}
	}
	return candidates, nil
}

// roleKeys returns the keys of the targets that the steps address: one for each role, or that of all targets of the
// environment.
func roleKeys(environment v1alpha1.ObjectName, steps []v1alpha1.Step) sets.Set[string] {
	keys := sets.New[string]()
	for i := range steps {
		if len(steps[i].Roles) == 0 {
			return sets.New(roleKey(environment, ""))
		}
		for _, role := range steps[i].Roles {
			keys.Insert(roleKey(environment, role))
		}
	}
	return keys
}
