package run

import (
	"testing"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// The cache often shows a run as it was before its end for a moment longer. It must not end twice: people would read of
// it twice, and it would have ended later.
func TestARunEndsOnceWhateverTheCacheShows(t *testing.T) {
	for name, change := range map[string]func(*v1alpha1.DeploymentRun){
		"before it began":  func(r *v1alpha1.DeploymentRun) { r.Spec.State = v1alpha1.RunStateCancel },
		"without a target": func(*v1alpha1.DeploymentRun) {},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStub(t, aRun("only", change))
			var old *v1alpha1.DeploymentRun
			s.turns("the run ends", func() bool {
				run := s.get("only")
				if run.Status.Phase.IsTerminal() {
					return true
				}
				old = run
				return false
			}, "only")
			end := s.get("only").Status.FinishTime
			s.now = s.now.Add(time.Minute)
			if _, err := s.Reconcile(t.Context(), ctrl.Request{NamespacedName: nameOf(old)}); err != nil {
				t.Fatal(err)
			}
			if run := s.get("only"); !run.Status.FinishTime.Equal(end) {
				t.Errorf("it ended at %s, and then at %s", end, run.Status.FinishTime)
			}
			if n := len(s.recorder.Events); n != 1 {
				t.Errorf("%d events tell of its end", n)
			}
		})
	}
}
