package run

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// reasons are the reasons of events, as type/reason.
func reasons(told []string) string {
	var all []string
	for _, e := range told {
		kind, rest, _ := strings.Cut(e, " ")
		reason, _, _ := strings.Cut(rest, " ")
		all = append(all, kind+"/"+reason)
	}
	return strings.Join(all, " ")
}

// Who looks at a run's events reads what it waits for, that it started, and how it ended, each once.
func TestEventsTellOfARunFromItsWaitToItsEnd(t *testing.T) {
	s := newStub(t, aRun("only"))
	s.fetched = false
	s.turns("it waits for its package", s.in("only", v1alpha1.RunWaiting), "only")
	for range 3 {
		s.pass("only")
	}
	s.fetched = true
	s.turns("it ends", s.in("only", v1alpha1.RunFailed), "only")
	s.pass("only")
	told := s.events()
	if got, want := reasons(told), "Normal/PackagePending Normal/Started Warning/NoTargets"; got != want {
		t.Errorf("the events are %s, want %s: %q", got, want, told)
	}
	for _, e := range told {
		if !strings.Contains(e, "release 1.0.0 to production: ") {
			t.Errorf("an event does not say of what: %q", e)
		}
	}
}

// What a run waits for may change without end.
func TestFewEventsTellWhatARunWaitsFor(t *testing.T) {
	s := newStub(t)
	run := aRun("only")
	for i := range 100 {
		before := run.DeepCopy()
		run.Status.Phase = v1alpha1.RunWaiting
		run.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: fmt.Sprintf("Reason%d", i%(2*maxWaits))}}
		s.announce(before, run)
	}
	if told := s.events(); len(told) != maxWaits {
		t.Errorf("%d events tell what it waits for: %q", len(told), told)
	}
	s.memory.end(nameOf(run))
	if len(s.memory.runs) != 0 {
		t.Error("what was told is kept after the run's end")
	}
}

// A run of before that has its pass counts; one that was made later does not, and one that is gone has its pass, too.
func TestATakeoverIsOverWhenEachRunHadItsPass(t *testing.T) {
	s := newStub(t)
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	c := fake.NewClientBuilder().WithScheme(s.Client.Scheme()).WithIndex(&v1alpha1.DeploymentRun{}, unfinished, indexUnfinished).WithObjects(
		aRun("first"), aRun("second"), aRun("over", func(r *v1alpha1.DeploymentRun) { r.Status.Phase = v1alpha1.RunFailed }),
		aRun("later", func(r *v1alpha1.DeploymentRun) { r.CreationTimestamp = metav1.NewTime(now.Add(time.Second)) })).Build()
	var took []time.Duration
	over := &takeover{reader: c, now: func() time.Time { return now }, done: func(d time.Duration) { took = append(took, d) }}
	if err := over.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"over", "first", "later", "second", "second"} {
		if len(took) != 0 && name != "second" {
			t.Errorf("it is over before %s", name)
		}
		now = now.Add(time.Second)
		over.passed(t.Context(), types.NamespacedName{Namespace: "shop", Name: name})
	}
	if len(took) != 1 || took[0] != 4*time.Second || len(over.remaining) != 0 {
		t.Errorf("it took %v, and keeps %v", took, over.remaining)
	}
	var none takeover
	none.reader, none.now, none.done = client.Reader(fake.NewClientBuilder().WithScheme(s.Client.Scheme()).WithIndex(&v1alpha1.DeploymentRun{}, unfinished, indexUnfinished).Build()), over.now, over.done
	none.passed(t.Context(), types.NamespacedName{Namespace: "shop", Name: "first"})
	if len(took) != 2 || took[1] != 0 {
		t.Errorf("without runs it took %v", took)
	}
}
