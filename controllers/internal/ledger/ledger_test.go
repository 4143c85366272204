package ledger

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// process has one step that runs a script, and one that declares an output.
func process() *v1alpha1.ProjectSpec {
	script := v1alpha1.StepModifiers{Run: &v1alpha1.RunStep{Shell: v1alpha1.ShellBash, Script: "true"}}
	return &v1alpha1.ProjectSpec{Steps: []v1alpha1.Step{{Name: "build", StepModifiers: script}, {Name: "install", StepModifiers: script}}}
}

// world is an API server in memory with a run over one slice for each list of targets.
type world struct {
	client.Client
	t   *testing.T
	run *v1alpha1.DeploymentRun
	// writes is asked before a slice is written.
	writes func(slice string) error
}

func newWorld(t *testing.T, slices ...[]string) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, writes: func(string) error { return nil }, run: &v1alpha1.DeploymentRun{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "run", UID: "run-uid"}, Status: v1alpha1.DeploymentRunStatus{Slices: int32(len(slices))}}}
	var objects []client.Object
	for i, names := range slices {
		objects = append(objects, w.slice(i, names...))
	}
	w.Client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(&v1alpha1.DeploymentRunSlice{}).
		WithInterceptorFuncs(interceptor.Funcs{SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			if err := w.writes(o.GetName()); err != nil {
				return err
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		}}).Build()
	return w
}

func (w *world) slice(i int, names ...string) *v1alpha1.DeploymentRunSlice {
	s := &v1alpha1.DeploymentRunSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: SliceName("run", i), Labels: map[string]string{v1alpha1.LabelRunUID: "run-uid"},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(w.run, v1alpha1.GroupVersion.WithKind("DeploymentRun"))}}}
	for _, name := range names {
		s.Spec.Targets = append(s.Spec.Targets, v1alpha1.SliceTarget{Name: name, UID: types.UID(name), Steps: []int32{0, 1}})
	}
	return s
}

func (w *world) load() *Ledger {
	w.t.Helper()
	l, err := Load(w.t.Context(), w.Client, w.run, process())
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func (w *world) store(l *Ledger) error { return l.Store(w.t.Context(), w.Client, now, nil, false) }

// Every field that is stored comes back.
func TestAnAttemptComesBackFromItsRow(t *testing.T) {
	exit := int32(3)
	for name, a := range map[string]*Attempt{
		"running": {Number: 2, Phase: v1alpha1.StepRunning, Sent: true, Reason: "MachineBusy", Message: "waits", StartTime: now, Answered: 1, NextTime: now, state: Recorded, resumed: true},
		"ended": {Number: 1, Phase: v1alpha1.StepFailed, Sent: true, Reason: "ExitCode", Message: "exit code 3", ExitCode: &exit, StartTime: now, EndTime: now.Add(1500 * time.Millisecond),
			Seconds: "1.5", Log: &v1alpha1.ActionLog{Size: 42}, state: Stored},
		"skipped": {Phase: v1alpha1.StepSkipped, Reason: "Cordoned", state: Acknowledged},
	} {
		row := toRow("install", a)
		row.Message = a.Message // which is written where there is room
		if got := fromRow(row); !reflect.DeepEqual(got, a) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, a)
		}
	}
}

func TestAnAttemptMovesOnlyForward(t *testing.T) {
	for from := Planned; from <= Acknowledged; from++ {
		for to := Planned; to <= from; to++ {
			a := &Attempt{state: from}
			if err := a.move(to); err == nil || a.state != from {
				t.Errorf("from %s to %s: %v, and it is %s", from, to, err, a.state)
			}
		}
	}
}

func TestAnAttemptIsRecordedOnceItsSliceIsWritten(t *testing.T) {
	w := newWorld(t, []string{"web-1"}, []string{"web-2"})
	l := w.load()
	one, two := Key{0, 0}, Key{1, 0}
	l.Begin(one, 1, now, "")
	l.Begin(two, 1, now, "")
	broken := errors.New("the API server is away")
	w.writes = func(slice string) error {
		if slice == "run-001" {
			return broken
		}
		return nil
	}
	if err := w.store(l); !errors.Is(err, broken) {
		t.Fatalf("a write that fails gives %v", err)
	}
	if l.At(one).State() != Recorded || l.At(two).State() != Planned || !l.HasPlanned() {
		t.Errorf("the slice that was written: %s, the other: %s", l.At(one).State(), l.At(two).State())
	}
	w.writes = func(string) error { return nil }
	if err := w.store(l); err != nil || l.At(two).State() != Recorded || l.HasPlanned() {
		t.Errorf("%v, %s", err, l.At(two).State())
	}
	next := w.load()
	if a := next.At(two); a == nil || a.State() != Recorded || !a.Resumed() || next.Ticket(two) != l.Ticket(two) {
		t.Errorf("the next leader has %+v", a)
	}
}

func TestAResultIsFinal(t *testing.T) {
	w := newWorld(t, []string{"web-1"})
	l := w.load()
	k := Key{0, 0}
	l.Begin(k, 1, now, "")
	if err := l.End(k, now, func(a *Attempt) { a.Phase = v1alpha1.StepSucceeded }); err != nil {
		t.Fatal(err)
	}
	if err := l.End(k, now, func(a *Attempt) { a.Phase = v1alpha1.StepFailed }); err == nil || l.At(k).Phase != v1alpha1.StepSucceeded {
		t.Errorf("a second result: %v, %s", err, l.At(k).Phase)
	}
	if err := w.store(l); err != nil {
		t.Fatal(err)
	}
	if _, found := l.Find(l.Ticket(k)); !found {
		t.Error("it is not found by its ticket, though its machine was not told")
	}
	if err := l.Acknowledged(k); err != nil || len(l.tickets) != 0 {
		t.Errorf("%v; %d tickets are kept of what is over", err, len(l.tickets))
	}
}

// Two processes that write to one slice: the second one meets a conflict.
func TestAnotherWriterIsAConflict(t *testing.T) {
	w := newWorld(t, []string{"web-1"})
	first, second := w.load(), w.load()
	for _, l := range []*Ledger{first, second} {
		l.Begin(Key{0, 0}, 1, now, "")
	}
	if err := w.store(first); err != nil {
		t.Fatal(err)
	}
	if err := w.store(second); err == nil || !strings.Contains(err.Error(), "run-000") || second.At(Key{0, 0}).State() != Planned {
		t.Errorf("%v, %s", err, second.At(Key{0, 0}).State())
	}
}

// A step that reads an output finds the same whether this leader saw it given or the next one read it.
func TestOutputsAreTheSameForTheNextLeader(t *testing.T) {
	w := newWorld(t, []string{"web-1", "web-2"})
	l := w.load()
	for i := range l.Targets {
		k := Key{i, 0}
		l.Begin(k, 1, now, "")
		values := map[string]string{}
		for n := range 4 {
			values[fmt.Sprintf("build.o%d", n)] = strings.Repeat("x", 12<<10)
		}
		l.AddOutputs(k, values)
		if err := l.End(k, now, func(a *Attempt) { a.Phase = v1alpha1.StepSucceeded }); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.store(l); err != nil {
		t.Fatal(err)
	}
	next := w.load()
	lost := 0
	for _, target := range l.Targets {
		for n := range 4 {
			name := fmt.Sprintf("build.o%d", n)
			before, had := l.Outputs.Get(target.Name, name)
			after, has := next.Outputs.Get(target.Name, name)
			if had != has || before != after {
				t.Errorf("%s on %s: this leader %t, the next %t", name, target.Name, had, has)
			}
			if !had {
				lost++
			}
		}
	}
	if _, cut := next.Outputs.of("web-2"); lost == 0 || !cut {
		t.Errorf("96 KiB of outputs were kept in 64 KiB: %d lost, said: %t", lost, cut)
	}
}

// The number of slices in a status is anybody's who may write the status. What it costs is bounded by what is there.
func TestANumberOfSlicesIsNoFact(t *testing.T) {
	w := newWorld(t, []string{"web-1"})
	stranger := w.slice(1, "web-2")
	stranger.OwnerReferences = nil
	if err := w.Create(t.Context(), stranger); err != nil {
		t.Fatal(err)
	}
	w.run.Status.Slices = 2_000_000_000
	l := w.load()
	if len(l.Targets) != 1 || len(l.Missing) == 0 || len(l.Missing) > maxMissing || l.Missing[0] != "run-001" {
		t.Errorf("%d targets, missing %v", len(l.Targets), l.Missing)
	}
	w.run.Status.Slices = -1
	if l := w.load(); len(l.Targets) != 0 {
		t.Errorf("%d targets of -1 slices", len(l.Targets))
	}
}

func TestRowsOfStrangersAreIgnored(t *testing.T) {
	w := newWorld(t, []string{"web-1"})
	var s v1alpha1.DeploymentRunSlice
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "run-000"}, &s); err != nil {
		t.Fatal(err)
	}
	s.Status.Results = []v1alpha1.TargetResult{
		{Target: "web-1", Steps: []v1alpha1.ActionStatus{{Name: "install", Phase: v1alpha1.StepSucceeded, Attempt: 2_000_000_000}, {Name: "unknown", Phase: v1alpha1.StepFailed}}},
		{Target: "web-1", Steps: []v1alpha1.ActionStatus{{Name: "install", Phase: v1alpha1.StepFailed, Attempt: 1}}},
		{Target: "web-9", Steps: []v1alpha1.ActionStatus{{Name: "install", Phase: v1alpha1.StepFailed, Attempt: 1}}},
	}
	if err := w.Status().Update(t.Context(), &s); err != nil {
		t.Fatal(err)
	}
	l := w.load()
	if a := l.At(Key{0, 1}); a == nil || a.Phase != v1alpha1.StepSucceeded || a.Number > maxAttempts {
		t.Errorf("%+v", a)
	}
}

// A report of an attempt that was replaced is nobody's.
func TestTheTicketOfAnAttemptThatWasReplacedIsForgotten(t *testing.T) {
	l := newWorld(t, []string{"web-1"}).load()
	k := Key{0, 0}
	l.Begin(k, 1, now, "")
	before := l.Ticket(k)
	l.Begin(k, 2, now, "")
	if at, found := l.Find(before); found {
		t.Errorf("the ticket of attempt 1 is found at %v", at)
	}
	if at, found := l.Find(l.Ticket(k)); !found || at != k {
		t.Errorf("the ticket of attempt 2 is found %t at %v", found, at)
	}
}
