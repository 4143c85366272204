package controllers_test

import (
	"slices"
	"testing"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

func TestAReleaseReachesItsTargets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.target("web-1"), w.target("web-2")
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	binding := w.readyWith(v1alpha1.ReasonUpToDate)
	if binding.Status.Targets.UpToDate != 2 || binding.Status.LastSuccessfulRelease != "1.0.0" {
		t.Errorf("%+v", binding.Status)
	}
	for _, m := range []*fakeMachine{a, b} {
		if got := m.did(); !slices.Equal(got, []string{"1.0.0 web/install", "1.0.0 web/smoke"}) {
			t.Errorf("%s ran %v", m.name, got)
		}
	}
	runs := w.runs()
	if len(runs) != 1 || runs[0].Status.Phase != v1alpha1.RunSucceeded || runs[0].Status.Progress != "2/2" {
		t.Errorf("%d runs, %+v", len(runs), runs[0].Status)
	}
}
