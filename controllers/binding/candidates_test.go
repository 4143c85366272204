package binding

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
)

// TestCandidatesAreAllThatCanBeDesired compares what is desired among all targets and among the candidates.
func TestCandidatesAreAllThatCanBeDesired(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	with := func(name string, roles ...v1alpha1.Role) v1alpha1.DeploymentTarget {
		t := web(name)
		t.Spec.Roles = roles
		return t
	}
	elsewhere, both := with("elsewhere", "web"), with("both", "web", "db")
	elsewhere.Spec.Environments = []v1alpha1.ObjectName{"staging"}
	both.Spec.Environments = []v1alpha1.ObjectName{"staging", "production"}
	all := []v1alpha1.DeploymentTarget{with("web-1", "web"), with("db-1", "db"), with("lb-1", "lb"), elsewhere, both}
	b := fake.NewClientBuilder().WithScheme(scheme).WithIndex(&v1alpha1.DeploymentTarget{}, byRole, indexByRole)
	for i := range all {
		all[i].Namespace = "shop"
		b = b.WithObjects(&all[i])
	}
	stranger := with("stranger", "web")
	stranger.Namespace = "other"
	c := b.WithObjects(&stranger).Build()
	for name, roles := range map[string][][]v1alpha1.Role{"one role": {{"web"}}, "two": {{"web"}, {"db", "web"}}, "any": {{"web"}, nil}, "unknown": {{"gone"}}, "no step": {}} {
		t.Run(name, func(t *testing.T) {
			var steps []v1alpha1.Step
			for _, r := range roles {
				steps = append(steps, v1alpha1.Step{Roles: r})
			}
			spec := v1alpha1.ReleaseBindingSpec{Environment: "production"}
			candidates, err := candidatesFor(t.Context(), c, "shop", spec.Environment, steps)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(targetNames(desired.Desired(spec, steps, all)), targetNames(desired.Desired(spec, steps, candidates))); diff != "" {
				t.Errorf("desired among all and among the candidates (-/+):\n%s", diff)
			}
			if len(candidates) == len(all) || slices.Contains(targetNames(candidates), "stranger") {
				t.Errorf("candidates are %v", targetNames(candidates))
			}
		})
	}
}

func targetNames(targets []v1alpha1.DeploymentTarget) (names []string) {
	for i := range targets {
		names = append(names, targets[i].Name)
	}
	return names
}
