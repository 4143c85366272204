package desired

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// TestCandidatesAreAllThatCanBeDesired compares what is desired among all targets and among the candidates.
func TestCandidatesAreAllThatCanBeDesired(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	elsewhere, both := target("elsewhere", "web"), target("both", "web", "db")
	elsewhere.Spec.Environments = []v1alpha1.ObjectName{"staging"}
	both.Spec.Environments = []v1alpha1.ObjectName{"staging", "production"}
	all := []v1alpha1.DeploymentTarget{target("web-1", "web"), target("db-1", "db"), target("lb-1", "lb"), elsewhere, both}
	b := fake.NewClientBuilder().WithScheme(scheme).WithIndex(&v1alpha1.DeploymentTarget{}, ByRole, IndexByRole)
	for i := range all {
		all[i].Namespace = "shop"
		b = b.WithObjects(&all[i])
	}
	stranger := target("stranger", "web")
	stranger.Namespace = "other"
	c := b.WithObjects(&stranger).Build()
	for name, roles := range map[string][][]v1alpha1.Role{"one role": {{"web"}}, "two": {{"web"}, {"db", "web"}}, "any": {{"web"}, nil}, "unknown": {{"gone"}}, "no step": {}} {
		t.Run(name, func(t *testing.T) {
			var steps []v1alpha1.Step
			for _, r := range roles {
				steps = append(steps, v1alpha1.Step{Roles: r})
			}
			spec := v1alpha1.ReleaseBindingSpec{Environment: "production"}
			candidates, err := Candidates(t.Context(), c, "shop", spec.Environment, steps)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(names(Desired(spec, steps, all)), names(Desired(spec, steps, candidates))); diff != "" {
				t.Errorf("desired among all and among the candidates (-/+):\n%s", diff)
			}
			if len(candidates) == len(all) || slices.Contains(names(candidates), "stranger") {
				t.Errorf("candidates are %v", names(candidates))
			}
		})
	}
}

func names(targets []v1alpha1.DeploymentTarget) (names []string) {
	for i := range targets {
		names = append(names, targets[i].Name)
	}
	return names
}
