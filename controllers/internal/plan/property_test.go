package plan

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
)

// TestAnyRun plays many random runs. Whatever happens: nothing begins twice, no window is exceeded, a target does one
// thing at a time, steps do not overlap, every target is counted once, no child runs after nothing, only what is not sent
// is given up, and the run ends (play fails otherwise).
func TestAnyRun(t *testing.T) {
	for seed := range uint64(3000) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			s := newStage(t, randomScript(r))
			s.check = func(e Evaluation) { s.invariants(e) }
			s.play()
		})
	}
}

func (s *stage) invariants(e Evaluation) {
	s.t.Helper()
	s.pure(e)
	busy, flying := map[int]int{}, map[int]map[int]bool{}
	add := func(k Key) {
		top := s.leaves[k.Leaf].Index
		if flying[top] == nil {
			flying[top] = map[int]bool{}
		}
		busy[k.Target]++
		flying[top][k.Target] = true
	}
	ended := map[Key]bool{}
	for _, end := range e.End {
		ended[end.Key] = true
		if a := s.attempt(end.Key); a != nil && a.Phase.IsTerminal() {
			s.t.Fatalf("%v ends twice", end)
		}
	}
	s.each(func(k Key, a *ledger.Attempt) {
		if a.Running() && !ended[k] {
			add(k)
		}
	})
	for _, st := range e.Start {
		add(st.Key)
		s.mayStart(st)
	}
	for target, n := range busy {
		if n > 1 {
			s.t.Fatalf("%s does %d things at once", s.v.Targets[target].Name, n)
		}
	}
	if len(flying) > 1 {
		s.t.Fatalf("two steps overlap: %v", flying)
	}
	for top, on := range flying {
		s.inWindow(top, len(on))
	}
	s.waiting(e)
	s.counted(e)
}

func (s *stage) each(look func(Key, *ledger.Attempt)) {
	for i, row := range s.v.Attempts {
		for j, a := range row {
			if a != nil {
				look(Key{Target: i, Leaf: j}, a)
			}
		}
	}
}

// pure checks that an evaluation changes nothing and gives the same answer again.
func (s *stage) pure(e Evaluation) {
	s.t.Helper()
	var before, after []ledger.Attempt
	s.each(func(_ Key, a *ledger.Attempt) { before = append(before, *a) })
	again := Evaluate(s.v)
	s.each(func(_ Key, a *ledger.Attempt) { after = append(after, *a) })
	if !reflect.DeepEqual(before, after) {
		s.t.Fatal("Evaluate changes attempts of its view")
	}
	if diff := cmp.Diff(e.Decision, again.Decision) + cmp.Diff(e.Summary, again.Summary); diff != "" {
		s.t.Fatalf("Evaluate gives two answers on the same view:\n%s", diff)
	}
}

func (s *stage) mayStart(st Start) {
	s.t.Helper()
	if a := s.attempt(st.Key); a != nil || st.Attempt != 1 {
		s.t.Fatalf("%s begins again after %+v", s.name(st.Key), a)
	}
	if s.v.Stop == Cancel {
		s.t.Fatalf("%s begins in a cancelled run", s.name(st.Key))
	}
	failed, sent := false, false
	for i, l := range s.leaves {
		if a := s.v.Attempts[st.Target][i]; l.Index == s.leaves[st.Leaf].Index && a != nil {
			sent, failed = sent || a.Sent, failed || a.Phase.IsFailure()
		}
	}
	if failed && !sent {
		s.t.Fatalf("%s begins though nothing of its step was sent before it failed\n%s", s.name(st.Key), s.log.String())
	}
}

func (s *stage) inWindow(top, n int) {
	s.t.Helper()
	members := 0
	for _, target := range s.v.Targets {
		for _, i := range target.Steps {
			if int(i) == top {
				members++
			}
		}
	}
	st := s.v.Steps[top]
	if limit := window(st.Window, len(st.Steps) > 0, members); n > limit {
		s.t.Fatalf("%d targets are in flight in %s, %d may be\n%s", n, st.Name, limit, s.log.String())
	}
}

// waiting checks that what waits is said, and that nothing is given up that a machine has.
func (s *stage) waiting(e Evaluation) {
	s.t.Helper()
	n, counted := 0, 0
	s.each(func(_ Key, a *ledger.Attempt) {
		if a.Running() && a.Reason != "" {
			n++
		}
		if a.Running() && a.Reason != "" && a.Reason != v1alpha1.ReasonPreparing {
			counted++
		}
	})
	if want := min(n, maxWaits); len(e.Waits) > want || len(e.End) == 0 && (len(e.Waits) != want || int(e.Waiting) != counted) {
		s.t.Fatalf("%d actions wait; said are %+v", n, e.Waits)
	}
	for _, k := range e.GiveUp {
		if a := s.attempt(k); a.Sent || !a.Running() {
			s.t.Fatalf("%s is given up: %+v", s.name(k), a)
		}
	}
}

func (s *stage) counted(e Evaluation) {
	s.t.Helper()
	c := e.Targets
	if c.Pending+c.Running+c.Succeeded+c.Failed+c.Skipped+c.Unreached != c.Total {
		s.t.Fatalf("targets are not counted once each: %+v", c)
	}
	if e.Outcome == nil {
		return
	}
	if c.Pending+c.Running > 0 || e.CurrentStep != "" {
		s.t.Fatalf("the run has ended %s with something open: %+v, %q\n%s", e.Outcome.Phase, c, e.CurrentStep, s.log.String())
	}
	if e.Outcome.Phase == v1alpha1.RunSucceeded && (c.Failed > 0 || len(e.Failures) > 0) {
		s.t.Fatalf("a run with failures Succeeded: %+v", e.Failures)
	}
	for i, r := range e.Results {
		s.stands(i, r)
	}
}

// stands checks that a target which counts as deployed missed nothing, and that one to which nothing was sent is skipped
// or failed.
func (s *stage) stands(target int, r ledger.TargetSummary) {
	s.t.Helper()
	name := s.v.Targets[target].Name
	untouched := r.Phase == v1alpha1.StepSkipped
	if sent := s.sentTo(target); sent == untouched && r.Phase != v1alpha1.StepFailed {
		s.t.Fatalf("%s is %s (%s); something was sent to it: %t\n%s", name, r.Phase, r.Reason, sent, s.log.String())
	}
	if r.Phase != v1alpha1.StepSucceeded {
		return
	}
	for i, l := range s.leaves {
		addressed := false
		for _, top := range s.v.Targets[target].Steps {
			addressed = addressed || int(top) == l.Index
		}
		optional := l.GetCondition() == v1alpha1.ConditionFailure || s.v.Steps[l.Index].GetCondition() == v1alpha1.ConditionFailure
		if phase := phaseOf(s.v.Attempts[target][i]); addressed && !optional && phase != v1alpha1.StepSucceeded {
			s.t.Fatalf("%s Succeeded without %s (%s)\n%s", name, l.Path, phase, s.log.String())
		}
	}
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func randomScript(r *rand.Rand) script {
	sc := script{Actions: map[string]behaviour{}, Settings: v1alpha1.ProjectSettings{
		UnavailableTargets: pick(r, v1alpha1.UnavailableSkip, v1alpha1.UnavailableFail),
	}}
	var names []string
	for i := range r.IntN(7) {
		names = append(names, fmt.Sprintf("t%d", i))
		sc.Targets = append(sc.Targets, names[i]+pick(r, "", " web", " db", " web db"))
	}
	for i := range 1 + r.IntN(4) {
		sc.Steps = append(sc.Steps, randomStep(r, i))
	}
	for _, l := range v1alpha1.Leaves(sc.Steps) {
		for _, name := range names {
			sc.Actions[name+" "+l.Path] = randomBehaviour(r)
		}
	}
	for range r.IntN(5) {
		if len(names) > 0 {
			sc.Events = append(sc.Events, happening{At: fmt.Sprintf("%ds", r.IntN(60)),
				Set: pick(r, names...) + "=" + string(pick(r, Available, Unavailable, "Unavailable NoRoute", Cordoned, Untrusted, Full, Left, Deleted, Changed))})
		}
	}
	if stop := pick(r, "", "", Cancel, Supersede); stop != "" {
		sc.Events = append(sc.Events, happening{At: fmt.Sprintf("%ds", r.IntN(90)), Stop: stop})
	}
	return sc
}

func randomBehaviour(r *rand.Rand) behaviour {
	b := behaviour{
		Takes: pick(r, "1s", "10s", "10s", "15s", "3h"), Exit: pick(r, int32(0), 0, 0, 0, 0, 0, 3),
		Waits: pick(r, "", "", "", "5s", "ever"), Cancel: pick(r, "", "30s", "never"), Leaves: pick(r, nil, nil, []int{7, 8}),
	}
	switch r.IntN(12) {
	case 0:
		b.Unreached = v1alpha1.ReasonNoRoute
	case 1:
		b.Unsent = pick(r, v1alpha1.ReasonThumbprintMismatch, v1alpha1.ReasonEngineTooOld)
	case 2, 3:
		b.Prepares, b.For = pick(r, "5s", "90s", "ever"), pick(r, "", "NotPrepared secret db is not there")
	}
	return b
}

func randomStep(r *rand.Rand, i int) v1alpha1.Step {
	condition := func() v1alpha1.StepCondition {
		return pick(r, "", v1alpha1.ConditionSuccess, v1alpha1.ConditionSuccess, v1alpha1.ConditionFailure, v1alpha1.ConditionAlways)
	}
	st := v1alpha1.Step{Name: v1alpha1.StepName(fmt.Sprintf("s%d", i)), Roles: pick(r, nil, nil, []v1alpha1.Role{"web"})}
	st.Condition = condition()
	st.Window = pick(r, nil, new(intstr.FromInt32(2)), new(intstr.FromString("34%")))
	for j := range r.IntN(5) {
		c := v1alpha1.ChildStep{Name: v1alpha1.StepName(fmt.Sprintf("c%d%d", i, j))}
		c.Condition = condition()
		st.Steps = append(st.Steps, c)
	}
	return st
}
