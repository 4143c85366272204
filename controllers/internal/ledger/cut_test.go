package ledger

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

func TestTargetsAreCutByNameWithTheStepsThatAddressThem(t *testing.T) {
	p, run := process(), &v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "run", UID: "run-uid"}}
	p.Steps[1].Roles = []v1alpha1.Role{"db"}
	var targets []v1alpha1.DeploymentTarget
	for n := 249; n >= 0; n-- {
		name := fmt.Sprintf("web-%03d", n)
		targets = append(targets, v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}})
	}
	targets[249].Spec.Roles = []v1alpha1.Role{"db"} // web-000
	parts := Cut(run, p, targets)
	if len(parts) != 3 || len(parts[2].Spec.Targets) != 50 || parts[2].Name != "run-002" || !metav1.IsControlledBy(&parts[2], run) {
		t.Fatalf("%d slices, the last is %s with %d targets", len(parts), parts[2].Name, len(parts[2].Spec.Targets))
	}
	first, second := parts[0].Spec.Targets[0], parts[0].Spec.Targets[1]
	if first.Name != "web-000" || len(first.Steps) != 2 || second.Name != "web-001" || len(second.Steps) != 1 {
		t.Errorf("first are %+v and %+v", first, second)
	}
	if n := MaxTargets(p); n != 50_000 {
		t.Errorf("a run can have %d targets", n)
	}
}

// What an earlier try left is taken away first: its slices may hold other targets.
func TestSlicesOfAnEarlierTryAreReplaced(t *testing.T) {
	w := newWorld(t, []string{"old"}, []string{"older"})
	part := w.slice(0, "new")
	if err := Create(t.Context(), w.Client, w.Client, w.run, []v1alpha1.DeploymentRunSlice{*part}); err != nil {
		t.Fatal(err)
	}
	found, err := Slices(t.Context(), w.Client, w.run)
	if err != nil || len(found) != 1 || found[0].Spec.Targets[0].Name != "new" {
		t.Errorf("there are %+v, %v", found, err)
	}
}
