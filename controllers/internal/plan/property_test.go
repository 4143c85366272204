package plan

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// TestAnyRun plays many random runs. Whatever happens: nothing begins twice, no window is exceeded, a target does one
// thing at a time, steps do not overlap, every target is counted once, and the run ends (play fails otherwise).
func TestAnyRun(t *testing.T) {
	for seed := range uint64(3000) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			s := newStage(t, randomScript(r))
			s.check = func(d Decision) { s.invariants(d) }
			s.play()
		})
	}
}

func (s *stage) invariants(d Decision) {
	s.t.Helper()
	if diff := cmp.Diff(d, Next(s.f)); diff != "" {
		s.t.Fatalf("Next gives two answers on the same facts:\n%s", diff)
	}
	busy, flying := map[string]int{}, map[string]map[string]bool{}
	add := func(k Key) {
		top, _, _ := strings.Cut(k.Step, "/")
		if flying[top] == nil {
			flying[top] = map[string]bool{}
		}
		busy[k.Target]++
		flying[top][k.Target] = true
	}
	ended := map[Key]bool{}
	for _, e := range d.End {
		ended[e.Key] = true
		if s.f.Rows[e.Key].Phase.IsTerminal() {
			s.t.Fatalf("%v ends twice", e)
		}
	}
	for k, row := range s.f.Rows {
		if row.Phase == v1alpha1.StepRunning && !ended[k] {
			add(k)
		}
	}
	for _, st := range d.Start {
		add(st.Key)
		if row, ok := s.f.Rows[st.Key]; ok || st.Attempt != 1 {
			s.t.Fatalf("%v begins again after %+v", st, row)
		}
		if s.f.Stop == Cancel {
			s.t.Fatalf("%v begins in a cancelled run", st)
		}
	}
	for target, n := range busy {
		if n > 1 {
			s.t.Fatalf("%s does %d things at once", target, n)
		}
	}
	if len(flying) > 1 {
		s.t.Fatalf("two steps overlap: %v", flying)
	}
	for name, on := range flying {
		s.inWindow(name, len(on), on)
	}
	s.counted(d)
}

func (s *stage) inWindow(name string, n int, on map[string]bool) {
	for _, st := range s.f.Steps {
		if string(st.Name) != name {
			continue
		}
		members := 0
		for _, target := range s.f.Targets {
			_, begun := s.f.Rows[Key{target.Name, v1alpha1.Leaves([]v1alpha1.Step{st})[0].Path}]
			if st.Addresses(target.Roles) || on[target.Name] || begun {
				members++
			}
		}
		if limit := window(st.Window, len(st.Steps) > 0, members); n > limit {
			s.t.Fatalf("%d targets are in flight in %s, %d may be\n%s", n, name, limit, s.log.String())
		}
	}
}

func (s *stage) counted(d Decision) {
	sum := Summarize(s.f)
	c := sum.Targets
	if c.Pending+c.Running+c.Succeeded+c.Failed+c.Skipped+c.Unreached != c.Total {
		s.t.Fatalf("targets are not counted once each: %+v", c)
	}
	if d.Outcome == nil {
		return
	}
	if c.Pending+c.Running > 0 || sum.CurrentStep != "" {
		s.t.Fatalf("the run has ended %s with something open: %+v, %q\n%s", d.Outcome.Phase, c, sum.CurrentStep, s.log.String())
	}
	if d.Outcome.Phase == v1alpha1.RunSucceeded && (c.Failed > 0 || len(sum.Failures) > 0) {
		s.t.Fatalf("a run with failures Succeeded: %+v", sum.Failures)
	}
	for name, r := range sum.Results {
		if r.Phase == v1alpha1.StepSucceeded {
			s.completed(name)
		}
	}
}

// completed checks that a target which counts as deployed missed nothing.
func (s *stage) completed(name string) {
	for _, l := range v1alpha1.Leaves(s.f.Steps) {
		top := s.f.Steps[l.Index]
		addressed := false
		for _, target := range s.f.Targets {
			addressed = addressed || target.Name == name && top.Addresses(target.Roles)
		}
		optional := l.GetCondition() == v1alpha1.ConditionFailure || top.GetCondition() == v1alpha1.ConditionFailure
		if row := s.f.Rows[Key{name, l.Path}]; addressed && !optional && row.Phase != v1alpha1.StepSucceeded {
			s.t.Fatalf("%s Succeeded without %s (%s)\n%s", name, l.Path, row.Phase, s.log.String())
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
			sc.Actions[name+" "+l.Path] = behaviour{
				Takes: pick(r, "1s", "10s", "10s", "15s", "3h"), Exit: pick(r, int32(0), 0, 0, 0, 0, 0, 3),
				Waits: pick(r, "", "", "", "5s", "ever"), Cancel: pick(r, "", "30s", "never"),
				Unsent: pick(r, "", "", "", "", "", "", v1alpha1.ReasonNoRoute, v1alpha1.ReasonThumbprintMismatch, v1alpha1.ReasonTransferFailed),
			}
		}
	}
	for range r.IntN(5) {
		e := happening{At: fmt.Sprintf("%ds", r.IntN(60))}
		if len(names) > 0 && r.IntN(4) == 0 {
			e.Roles = pick(r, names...) + "=" + pick(r, "", "web")
		} else if len(names) > 0 {
			e.Set = pick(r, names...) + "=" + string(pick(r, Available, Unavailable, Cordoned, Untrusted, Full, Deleted, Changed))
		}
		sc.Events = append(sc.Events, e)
	}
	if stop := pick(r, "", "", Cancel, Supersede); stop != "" {
		sc.Events = append(sc.Events, happening{At: fmt.Sprintf("%ds", r.IntN(90)), Stop: stop})
	}
	return sc
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
