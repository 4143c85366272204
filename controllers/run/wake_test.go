package run

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// queueOf returns a stub with that many runs, run-0 the oldest, of which the first has begun and the others wait.
func queueOf(t *testing.T, n int) *stub {
	t.Helper()
	objects := []client.Object{aTarget("web-1")}
	for i := range n {
		objects = append(objects, aRun(fmt.Sprintf("run-%d", i), func(r *v1alpha1.DeploymentRun) {
			r.CreationTimestamp = metav1.NewTime(r.CreationTimestamp.Add(time.Duration(i) * time.Second))
		}))
	}
	s := newStub(t, objects...)
	s.turns("the first begins", s.in("run-0", v1alpha1.RunRunning), "run-0")
	s.pass("run-0")
	for i := 1; i < n; i++ {
		name := fmt.Sprintf("run-%d", i)
		s.turns(name+" waits", s.in(name, v1alpha1.RunQueued), name)
	}
	return s
}

func named(requests []reconcile.Request) (names []string) {
	for _, r := range requests {
		names = append(names, r.Name)
	}
	slices.Sort(names)
	return names
}

// Hundreds of runs may wait behind one: its end concerns the next, and each says truly whom it waits for.
func TestTheEndOfARunWakesOnlyTheNext(t *testing.T) {
	s := queueOf(t, 5)
	for i := 1; i < 5; i++ {
		ready := meta.FindStatusCondition(s.get(fmt.Sprintf("run-%d", i)).Status.Conditions, v1alpha1.ConditionReady)
		if want := fmt.Sprintf("waiting for run run-%d", i-1); ready == nil || ready.Message != want {
			t.Errorf("run-%d says %+v, want %q", i, ready, want)
		}
	}
	for left, want := range map[string][]string{"run-0": {"run-1"}, "run-2": {"run-1", "run-3"}, "run-4": {"run-1"}} {
		if got := named(s.waitingBehind(t.Context(), s.get(left))); !slices.Equal(got, want) {
			t.Errorf("when %s leaves, %v are woken, want %v", left, got, want)
		}
	}
}

func TestOnlyARunThatMakesNobodyWaitAnyMoreWakesOthers(t *testing.T) {
	s := queueOf(t, 2)
	running, queued, ended := s.get("run-0"), s.get("run-1"), s.get("run-0")
	ended.Status.Phase = v1alpha1.RunSucceeded
	lacking := queued.DeepCopy()
	meta.FindStatusCondition(lacking.Status.Conditions, v1alpha1.ConditionReady).Reason = v1alpha1.ReasonReleaseNotFound
	again := running.DeepCopy()
	again.UID = "another"
	for _, c := range []struct {
		name          string
		before, after *v1alpha1.DeploymentRun
		want          bool
	}{
		{"it ends", running, ended, true},
		{"it waits for something else", queued, lacking, true},
		{"it is another", running, again, true},
		{"it goes on", running, running, false},
		{"it waits for its turn again", lacking, queued, false},
		{"it had ended", ended, ended, false},
	} {
		if got := unblocks().Update(event.UpdateEvent{ObjectOld: c.before, ObjectNew: c.after}); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
	if unblocks().Create(event.CreateEvent{Object: running}) || !unblocks().Delete(event.DeleteEvent{Object: running}) {
		t.Error("a creation wakes others, or a deletion does not")
	}
}

// A target changes with each health check, each run and each inventory.
func TestAChangeOfATargetWakesOnlyTheRunsThatItConcerns(t *testing.T) {
	s := queueOf(t, 4)
	if got := named(s.ofTarget(t.Context(), aTarget("web-1"))); !slices.Equal(got, []string{"run-0"}) {
		t.Errorf("%v are woken by a target of the first", got)
	}
	if got := named(s.ofTarget(t.Context(), aTarget("web-2"))); len(got) != 0 {
		t.Errorf("%v are woken by another target", got)
	}
	s.memory.record(s.get("run-2"), true)
	if got := named(s.ofTarget(t.Context(), aTarget("web-2"))); !slices.Equal(got, []string{"run-2"}) {
		t.Errorf("%v are woken of those that wait for its status.installed", got)
	}
	s.memory.record(s.get("run-2"), false)
	if s.memory.end(nameOf(s.get("run-0"))); len(s.memory.spaces) != 0 {
		t.Errorf("kept are %v", s.memory.spaces)
	}
}
