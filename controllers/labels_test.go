package controllers_test

import (
	"fmt"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// The runs of a project in an environment, and their slices, are found by labels, whoever made the run; so are those of a
// release whose version cannot be a label as it is written.
func TestRunsAndSlicesAreFoundByLabels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.target("web-1")
	w.project()
	w.release("2026.11+build.7")
	w.wish("2026.11+build.7")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.person("by-hand", "2026.11+build.7", func(r *v1alpha1.DeploymentRun) { r.Labels = map[string]string{"team": "shop"} })
	w.run("the run by hand has ended", func(r *v1alpha1.DeploymentRun) bool {
		return r.Name == "by-hand" && r.Status.Phase == v1alpha1.RunSucceeded
	})
	w.expectDid(m, versions("2026.11+build.7", "2026.11+build.7")...)
	labels := client.MatchingLabels{v1alpha1.LabelProject: "shop", v1alpha1.LabelEnvironment: "production", v1alpha1.LabelRelease: "2026.11--build.7"}
	var runs v1alpha1.DeploymentRunList
	var slices v1alpha1.DeploymentRunSliceList
	for _, list := range []client.ObjectList{&runs, &slices} {
		if err := w.client.List(t.Context(), list, client.InNamespace(w.namespace), labels); err != nil {
			t.Fatal(err)
		}
	}
	found := fmt.Sprintf("%d runs and %d slices", len(runs.Items), len(slices.Items))
	if found != "2 runs and 2 slices" {
		t.Errorf("the labels find %s", found)
	}
	for i := range runs.Items {
		if r := &runs.Items[i]; r.Name == "by-hand" && r.Labels["team"] != "shop" {
			t.Errorf("a person's own labels are gone: %v", r.Labels)
		}
	}
}
