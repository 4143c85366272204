package binding

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

var ofB = reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "b"}} //nolint:gochecknoglobals // a constant name

// requested is one pass of the queue, and gives how often the binding was written.
func (s *stub) requested() (wrote int, again time.Duration) {
	s.Helper()
	result, err := s.reconciler.pass(s.Context(), ofB)
	if err != nil {
		s.Fatal(err)
	}
	for _, what := range s.wrote {
		if what == "status" {
			wrote++
		}
	}
	return wrote, result.RequeueAfter
}

// progress is the run going on.
func (s *stub) progress(change func(*v1alpha1.DeploymentRunStatus)) {
	s.Helper()
	run := s.runs()[0]
	change(&run.Status)
	if err := s.cluster.Status().Update(s.Context(), &run); err != nil {
		s.Fatal(err)
	}
}

// Thousands of targets and a run that goes on tell something all the time: that is written now and then, but its end at once.
func TestWhatIsToldWhileARunGoesOnIsWrittenTogether(t *testing.T) {
	s := newStub(t)
	if wrote, _ := s.requested(); wrote != 1 {
		t.Fatalf("wrote %d times, want once", wrote)
	}
	s.progress(func(status *v1alpha1.DeploymentRunStatus) { status.Progress = "1/9" })
	if wrote, again := s.requested(); wrote != 1 || again <= 0 || again > maxPauseRunning {
		t.Errorf("wrote %d times at once, and again after %s", wrote, again)
	}
	s.progress(func(status *v1alpha1.DeploymentRunStatus) { status.Phase = v1alpha1.RunCancelled })
	if wrote, _ := s.requested(); wrote != 2 {
		t.Errorf("the end of the run was not taken in at once: wrote %d times", wrote)
	}
}

func TestWhatAPersonAsksForIsAnsweredAtOnce(t *testing.T) {
	s := newStub(t)
	s.requested()
	b := &v1alpha1.ReleaseBinding{}
	if err := s.cluster.Get(t.Context(), ofB.NamespacedName, b); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*v1alpha1.ReleaseBinding){
		"a retry":         func(b *v1alpha1.ReleaseBinding) { b.Annotations = map[string]string{v1alpha1.AnnotationRetry: "now"} },
		"another release": func(b *v1alpha1.ReleaseBinding) { b.Generation++ },
	} {
		changed := b.DeepCopy()
		change(changed)
		if left, err := s.reconciler.pauseLeft(t.Context(), changed); err != nil || left != 0 {
			t.Errorf("%s waits for %s (%v)", what, left, err)
		}
	}
}

func TestABindingThatIsGoneIsForgotten(t *testing.T) {
	s := newStub(t)
	s.requested()
	if len(s.reconciler.pauses) != 1 {
		t.Fatalf("%d bindings are remembered, want 1", len(s.reconciler.pauses))
	}
	if err := s.cluster.DeleteAllOf(t.Context(), &v1alpha1.ReleaseBinding{}, client.InNamespace("shop")); err != nil {
		t.Fatal(err)
	}
	if s.requested(); len(s.reconciler.pauses) != 0 {
		t.Errorf("%d bindings are remembered", len(s.reconciler.pauses))
	}
}

// The more targets there are, the more is told.
func TestABindingOfFewTargetsHardlyRests(t *testing.T) {
	few, many := decision{CurrentRun: "run"}, decision{CurrentRun: "run"}
	few.Counts.Desired, many.Counts.Desired = 5, 5000
	if pauseAfter(few) > 10*time.Millisecond || pauseAfter(many) != maxPauseRunning {
		t.Errorf("pauses for %s and %s", pauseAfter(few), pauseAfter(many))
	}
	many.CurrentRun = ""
	if pauseAfter(many) > time.Second {
		t.Errorf("pauses for %s after the run, so long is Ready late", pauseAfter(many))
	}
}
