package run

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// crowd is a dispatcher in which so many actions of the namespace wait to be sent.
type crowd struct {
	nowhere
	waiting *int
}

func (c crowd) Backlog(string) int { return *c.waiting }

func TestARunStartsOnceTheActionsOfOthersHaveStarted(t *testing.T) {
	waiting := maxBacklog
	s := newStub(t, aTarget("web-1"), aRun("first"))
	s.Dispatcher = crowd{waiting: &waiting}
	s.turns("it is queued", s.in("first", v1alpha1.RunQueued), "first")
	if s.now = s.now.Add(2 * roomPause); s.pass("first").Status.Phase != v1alpha1.RunQueued {
		t.Error("it does not wait until there is room")
	}
	waiting, s.now = 0, s.now.Add(2*roomPause)
	s.turns("it begins", s.in("first", v1alpha1.RunRunning), "first")
}

func TestARunThatWaitsForRoomCanBeCancelled(t *testing.T) {
	waiting := maxBacklog
	s := newStub(t, aTarget("web-1"), aRun("first"))
	s.Dispatcher = crowd{waiting: &waiting}
	s.turns("it is queued", s.in("first", v1alpha1.RunQueued), "first")
	run := s.get("first")
	run.Spec.State, run.Generation = v1alpha1.RunStateCancel, run.Generation+1
	if err := s.Client.Update(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	if got := s.pass("first").Status.Phase; got != v1alpha1.RunCancelled {
		t.Errorf("it is %s", got)
	}
}

// A run that waits costs no request: hundreds may wait at once, and each change of a target wakes them.
func TestARunThatWaitsForRoomAsksNobody(t *testing.T) {
	waiting := maxBacklog
	s := newStub(t, aTarget("web-1"), aRun("first"))
	s.Dispatcher = crowd{waiting: &waiting}
	s.turns("it is queued", s.in("first", v1alpha1.RunQueued), "first")
	live := &counted{Reader: s.Reader}
	s.Reader = live
	for range 10 {
		s.now = s.now.Add(roomPause / 4)
		if _, err := s.Reconcile(t.Context(), ctrl.Request{NamespacedName: nameOf(aRun("first"))}); err != nil {
			t.Fatal(err)
		}
	}
	if live.reads != 0 {
		t.Errorf("it read %d times from the API server", live.reads)
	}
}

func TestTheOldestRunsGoFirst(t *testing.T) {
	waiting := maxBacklog
	objects := []client.Object{aTarget("web-1")}
	names := make([]string, maxNext+1)
	for i := range names {
		names[i] = fmt.Sprintf("run-%02d", i)
		objects = append(objects, aRun(names[i], func(r *v1alpha1.DeploymentRun) {
			r.Spec.Environment = v1alpha1.ObjectName(names[i])
			r.CreationTimestamp = metav1.NewTime(r.CreationTimestamp.Add(time.Duration(i) * time.Second))
		}), &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: names[i]}})
	}
	s := newStub(t, objects...)
	s.Dispatcher = crowd{waiting: &waiting}
	newest := names[maxNext]
	for _, name := range names {
		s.turns(name+" is queued", s.in(name, v1alpha1.RunQueued), name)
	}
	waiting, s.now = 0, s.now.Add(3*roomPause)
	if got := s.pass(newest).Status.Phase; got != v1alpha1.RunQueued {
		t.Errorf("the newest is %s before the others", got)
	}
	s.pass(names[0])
	s.now = s.now.Add(3 * roomPause)
	if got := s.pass(newest).Status.Phase; got == v1alpha1.RunQueued {
		t.Error("the newest still waits")
	}
}

// counted counts what is read.
type counted struct {
	client.Reader
	reads int
}

func (c *counted) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	c.reads++
	return c.Reader.Get(ctx, key, o, opts...)
}

func (c *counted) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	c.reads++
	return c.Reader.List(ctx, list, opts...)
}

// Hundreds of runs may start at once, and the API server has to answer all of them.
func TestARunThatStartsReadsLittle(t *testing.T) {
	s := newStub(t, aTarget("web-1"), aRun("first"))
	live := &counted{Reader: s.Reader}
	s.Reconciler = newReconciler(s.Client, live, s.recorder, s.Deps)
	s.turns("it begins", s.in("first", v1alpha1.RunRunning), "first")
	live.reads = 0
	s.pass("first")
	if reads := live.reads - 2; reads != 0 { // two are those of the test
		t.Errorf("after its slices were created, %d more reads", reads)
	}
	if known := s.memory.known(s.get("first")); known == nil || !known.begun || len(known.active.ledger.Targets) != 1 {
		t.Errorf("it has not begun: %+v", known)
	}
}

// Each start takes several requests, for which the steps of the runs that have started would wait.
func TestFewRunsAreStartedAtOnce(t *testing.T) {
	m, now := newMemory(), time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	runs := make([]*v1alpha1.DeploymentRun, maxEntering+2)
	for i := range runs {
		runs[i] = aRun(fmt.Sprintf("run-%d", i))
	}
	for _, run := range runs[:maxEntering] {
		if enters, _ := m.enter(run, 0); !enters {
			t.Fatalf("%s is not started", run.Name)
		}
	}
	for _, run := range runs[maxEntering:] {
		if enters, _ := m.enter(run, 0); enters {
			t.Fatalf("%s is started beside %d others", run.Name, maxEntering)
		}
		m.await(run, now.Add(roomPause))
	}
	next, found := m.leave(runs[0])
	if want := runs[maxEntering]; !found || next != nameOf(want) || m.pause(want, now) > 0 || m.pause(runs[maxEntering+1], now) <= 0 {
		t.Errorf("the next is %s, %t; it pauses for %s", next, found, m.pause(want, now))
	}
	if enters, _ := m.enter(runs[maxEntering], maxBacklog); enters {
		t.Error("it is started although there is no room")
	}
	if enters, _ := m.enter(runs[maxEntering], 0); !enters {
		t.Error("it is not started")
	}
}
