package run

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
)

// A run that waits for its package ends at once when it is deleted.
func TestARunThatIsDeletedWhileItWaitsLetsTheNextOneGo(t *testing.T) {
	s := newStub(t, aTarget("web-1"), aRun("first"))
	s.fetched = false
	s.turns("the first run waits for its package", s.in("first", v1alpha1.RunWaiting), "first")
	if err := s.Client.Delete(t.Context(), aRun("first")); err != nil {
		t.Fatal(err)
	}
	if run := s.pass("first"); run != nil {
		t.Fatalf("it is still there: %s", run.Status.Phase)
	}
	s.fetched = true
	if err := s.Client.Create(t.Context(), aRun("second")); err != nil {
		t.Fatal(err)
	}
	s.turns("the second run begins", s.in("second", v1alpha1.RunRunning), "second")
}

// A run that holds the environment may be gone although nobody saw it go.
func TestARunThatIsGoneHoldsNothing(t *testing.T) {
	s := newStub(t, aTarget("web-1"), aRun("second"))
	s.memory.store(aRun("first"), &active{ledger: &ledger.Ledger{}})
	s.turns("the second run begins", s.in("second", v1alpha1.RunRunning), "second")
}

// Creation times have seconds: of two runs of one second the name decides, and the first to be looked at may be the
// second to go.
func TestRunsOfOneSecondDoNotWaitForEachOther(t *testing.T) {
	s := newStub(t, aTarget("web-1"), aRun("z"))
	s.fetched = false
	s.turns("z waits for its package", s.in("z", v1alpha1.RunWaiting), "z")
	if err := s.Client.Create(t.Context(), aRun("a")); err != nil {
		t.Fatal(err)
	}
	s.pass("z")
	s.fetched = true
	s.turns("a begins", s.in("a", v1alpha1.RunRunning), "z", "a")
	s.turns("z waits for a", s.in("z", v1alpha1.RunQueued), "z")
}

// What a run waits for must not keep others from going: it may never come.
func TestARunThatLacksSomethingOfItsOwnLetsOthersGo(t *testing.T) {
	absent := aRun("absent", func(r *v1alpha1.DeploymentRun) { r.Spec.Release = "9.9.9" })
	s := newStub(t, aTarget("web-1"), absent)
	s.pass("absent")
	later := aRun("later")
	if err := s.Client.Create(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	s.turns("the later run begins", s.in("later", v1alpha1.RunRunning), "absent", "later")
	if err := s.Client.Get(t.Context(), client.ObjectKeyFromObject(absent), absent); err != nil || absent.Status.Phase != v1alpha1.RunWaiting {
		t.Errorf("%s, %v", absent.Status.Phase, err)
	}
}

// A run that ends in an error at each pass would tell nobody, and keep others from going.
func TestARunWhoseProcessIsGoneSaysSoAndLetsOthersGo(t *testing.T) {
	s := newStub(t, aTarget("web-1"), aRun("first"))
	release := &v1alpha1.Release{}
	if err := s.Client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "shop-1.0.0"}, release); err != nil {
		t.Fatal(err)
	}
	process := &appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: release.Status.Snapshot}}
	if err := s.Client.Get(t.Context(), client.ObjectKeyFromObject(process), process); err != nil {
		t.Fatal(err)
	}
	if err := s.Client.Delete(t.Context(), process); err != nil {
		t.Fatal(err)
	}
	s.pass("first")
	s.now = s.now.Add(time.Minute)
	waiting := s.pass("first")
	stalled := meta.FindStatusCondition(waiting.Status.Conditions, v1alpha1.ConditionStalled)
	if waiting.Status.Phase != v1alpha1.RunWaiting || stalled == nil || !strings.Contains(stalled.Message, process.Name) || waitsForTurn(waiting) {
		t.Errorf("%s %+v", waiting.Status.Phase, waiting.Status.Conditions)
	}
	process.ResourceVersion = ""
	if err := s.Client.Create(t.Context(), process); err != nil {
		t.Fatal(err)
	}
	s.turns("it begins once its process is restored", s.in("first", v1alpha1.RunRunning), "first")
}
