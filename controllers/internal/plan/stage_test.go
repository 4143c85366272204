package plan

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
)

// stage is a tiny simulated executor: it carries decisions out and lets time pass.
type stage struct {
	t      *testing.T
	sc     script
	v      View
	leaves []v1alpha1.Leaf
	start  time.Time
	queue  []moment // sorted by time
	log    bytes.Buffer
	waits  string           // as they were last said
	check  func(Evaluation) // sees every evaluation before it is carried out
}

// moment is something that will happen.
type moment struct {
	at   time.Time
	what func()
}

func newStage(t *testing.T, sc script) *stage {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := &stage{t: t, sc: sc, start: start, check: func(Evaluation) {}, leaves: v1alpha1.Leaves(sc.Steps), v: View{
		Now: start, Steps: sc.Steps, Settings: sc.Settings, Purpose: sc.Purpose,
	}}
	for _, line := range sc.Targets {
		words := strings.Fields(line)
		target := Target{Name: words[0], RetryDuration: time.Minute}
		var roles []v1alpha1.Role
		for _, w := range words[1:] {
			roles = append(roles, v1alpha1.Role(w))
		}
		for i := range sc.Steps {
			if sc.Steps[i].Addresses(roles) {
				target.Steps = append(target.Steps, int32(i))
			}
		}
		s.v.Targets = append(s.v.Targets, target)
		s.v.Attempts = append(s.v.Attempts, make([]*ledger.Attempt, len(s.leaves)))
	}
	slices.SortFunc(s.v.Targets, func(a, b Target) int { return cmp.Compare(a.Name, b.Name) })
	for _, e := range sc.Events {
		if e.At == "0s" {
			s.happen(e)
			continue
		}
		s.at(start.Add(s.duration(e.At)), func() { s.happen(e) })
	}
	return s
}

func (s *stage) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatalf("reading a duration: %v", err)
	}
	return d
}

func (s *stage) at(when time.Time, what func()) {
	s.queue = append(s.queue, moment{when, what})
	slices.SortStableFunc(s.queue, func(a, b moment) int { return a.at.Compare(b.at) })
}

func (s *stage) say(format string, args ...any) {
	d := s.v.Now.Sub(s.start)
	fmt.Fprintf(&s.log, "%02d:%02d  %s\n", int(d.Minutes()), int(d.Seconds())%60, fmt.Sprintf(format, args...))
}

func (s *stage) attempt(k Key) *ledger.Attempt { return s.v.Attempts[k.Target][k.Leaf] }

// name is "target step".
func (s *stage) name(k Key) string {
	return s.v.Targets[k.Target].Name + " " + s.leaves[k.Leaf].Path
}

func (s *stage) happen(e happening) {
	if e.Stop != "" {
		s.v.Stop, s.v.StopSince = e.Stop, s.v.Now
		s.say("! %s", map[Stop]string{Cancel: "a person cancels the run", Supersede: "the binding asks for another release"}[e.Stop])
	}
	if name, roles, ok := strings.Cut(e.Roles, "="); ok {
		s.say("! %s has the roles %q now", name, roles)
	}
	name, availability, ok := strings.Cut(e.Set, "=")
	if !ok {
		return
	}
	state, reason, _ := strings.Cut(availability, " ")
	for i := range s.v.Targets {
		if s.v.Targets[i].Name == name {
			s.v.Targets[i].Availability, s.v.Targets[i].Reason = Availability(state), reason
			s.lose(i, Availability(state), reason)
		}
	}
	s.say("! %s is now %s", name, availability)
}

// lose has what was sent to a target say why it cannot be followed, as long as it cannot.
func (s *stage) lose(target int, now Availability, reason string) {
	for _, a := range s.v.Attempts[target] {
		if !a.Running() || !a.Sent || a.Reason == v1alpha1.ReasonMachineBusy {
			continue
		}
		a.Reason, a.Message = "", ""
		if now == Unavailable && reason != "" {
			a.Reason, a.Message = reason, "the machine does not answer"
		}
	}
}

// play evaluates until the outcome.
func (s *stage) play() string {
	for range 1000 {
		e := Evaluate(s.v)
		s.check(e)
		s.carryOut(e)
		again := Evaluate(s.v)
		for _, st := range e.Start {
			if again.Completes(st.Key) != st.Final {
				s.t.Fatalf("while it runs it is told otherwise whether %s completes its target: wanted %t", s.name(st.Key), st.Final)
			}
		}
		if d := again.Decision; len(d.Start)+len(d.End)+len(d.Cancel) > 0 {
			s.t.Fatalf("more is decided on the same view: %+v", d)
		}
		if e.Outcome != nil {
			s.say("run %s (%s): %s", e.Outcome.Phase, e.Outcome.Reason, e.Outcome.Message)
			s.closing(e.Summary)
			return s.log.String()
		}
		s.sayWaits(again.Waits)
		if !s.pass(e.Wake) {
			s.t.Fatalf("nothing will ever happen again:\n%s", s.log.String())
		}
	}
	s.t.Fatalf("the run does not end:\n%s", s.log.String())
	return ""
}

// sayWaits says for what the run waits, when that has changed.
func (s *stage) sayWaits(waits []Wait) {
	before := s.waits
	s.waits = fmt.Sprint(waits)
	if s.waits == before {
		return
	}
	for _, w := range waits {
		s.say("? %s (%s): %s", w.Phase, w.Reason, w.Message)
	}
}

// pass lets time go on to the next moment, or to the wake-up.
func (s *stage) pass(wake time.Duration) bool {
	next := s.v.Now.Add(wake)
	if len(s.queue) > 0 && (wake == 0 || !s.queue[0].at.After(next)) {
		s.v.Now = s.queue[0].at
		for len(s.queue) > 0 && s.queue[0].at.Equal(s.v.Now) {
			what := s.queue[0].what
			s.queue = s.queue[1:]
			what()
		}
		return true
	}
	s.v.Now = next
	return wake > 0
}

func (s *stage) carryOut(e Evaluation) {
	for _, note := range e.Notes {
		s.say("  %s", note)
	}
	for _, end := range e.End {
		if s.attempt(end.Key) == nil {
			s.v.Attempts[end.Target][end.Leaf] = &ledger.Attempt{}
		}
		s.ends(end.Key, end.Phase, end.Reason, end.Message)
	}
	for _, st := range e.Start {
		if st.Final {
			s.say("  (%s completes %s)", s.leaves[st.Leaf].Path, s.v.Targets[st.Target].Name)
		}
		s.v.Attempts[st.Target][st.Leaf] = &ledger.Attempt{Phase: v1alpha1.StepRunning, Number: st.Attempt, StartTime: s.v.Now}
		if st.Away && s.v.Targets[st.Target].Availability != Available {
			s.away(st.Key)
			continue
		}
		s.prepare(st.Key)
	}
	for _, k := range e.GiveUp {
		s.giveUp(k)
	}
	for _, k := range e.Cancel {
		s.cancel(k)
	}
}

// giveUp plays what becomes of an action that waits for too long to be sent.
func (s *stage) giveUp(k Key) {
	a := s.attempt(k)
	s.at(s.v.Now, func() {
		if a.Running() && !a.Sent {
			s.ends(k, v1alpha1.StepFailed, cmp.Or(a.Reason, v1alpha1.ReasonNotPrepared), a.Message)
			s.say("%s: %s (%s): %s", s.name(k), a.Phase, a.Reason, a.Message)
		}
	})
}

// cancel plays the machine's part of a cancel.
func (s *stage) cancel(k Key) {
	a, b := s.attempt(k), s.behaviour(k)
	a.CancelTime = s.v.Now
	switch {
	case !a.Sent:
		s.finish(k, s.v.Now, v1alpha1.StepCancelled, "", nil)
	case b.Cancel == "never":
	case len(b.Leaves) > 0:
		s.at(s.v.Now.Add(s.duration(cmp.Or(b.Cancel, "1s"))), func() {
			if a.Running() {
				a.Pids = b.Leaves
				s.ends(k, v1alpha1.StepAbandoned, v1alpha1.ReasonAbandoned, "the machine could not end it: "+Where(s.v.Targets[k.Target].Name, a.Host, a.Pids))
				s.say("%s: %s (%s): %s", s.name(k), a.Phase, a.Reason, a.Message)
			}
		})
	default:
		s.finish(k, s.v.Now.Add(s.duration(cmp.Or(b.Cancel, "1s"))), v1alpha1.StepCancelled, "", nil)
	}
}

func (s *stage) ends(k Key, phase v1alpha1.StepPhase, reason, message string) {
	a := s.attempt(k)
	a.Phase, a.Reason, a.Message, a.EndTime = phase, reason, message, s.v.Now
}

func (s *stage) behaviour(k Key) behaviour {
	step := s.leaves[k.Leaf].Path
	for _, name := range []string{s.name(k), "* " + step, "*"} {
		if b, ok := s.sc.Actions[name]; ok {
			return b
		}
	}
	return behaviour{}
}

// prepare plays what comes before an action is sent.
func (s *stage) prepare(k Key) {
	a, b := s.attempt(k), s.behaviour(k)
	switch {
	case b.Unsent != "":
		s.finish(k, s.v.Now.Add(time.Second), v1alpha1.StepFailed, b.Unsent, nil)
	case b.Unreached != "":
		a.Reason, a.Message = b.Unreached, "nothing listens there"
		s.at(s.v.Now.Add(time.Minute), func() {
			if a.Running() && !a.Sent {
				phase, reason, message := Unsent(s.v.Settings, s.sentTo(k.Target), s.v.Targets[k.Target].RetryDuration, a.Reason, a.Message)
				s.ends(k, phase, reason, message)
				s.say("%s: %s (%s): %s", s.name(k), a.Phase, a.Reason, a.Message)
			}
		})
	case b.Prepares != "":
		a.Reason, a.Message, _ = strings.Cut(cmp.Or(b.For, v1alpha1.ReasonPreparing), " ")
		if b.Prepares != "ever" {
			s.at(s.v.Now.Add(s.duration(b.Prepares)), func() { s.send(k) })
		}
	default:
		s.send(k)
	}
}

// away plays the one try to reach a target that is away; it takes a second, and finds one that has come back by then.
func (s *stage) away(k Key) {
	a, t := s.attempt(k), &s.v.Targets[k.Target]
	s.at(s.v.Now.Add(time.Second), func() {
		switch {
		case !a.Running():
		case t.Availability == Available:
			s.prepare(k)
		default:
			phase, reason, message := Unsent(s.v.Settings, s.sentTo(k.Target), 0, v1alpha1.ReasonConnectionRefused, "nothing listens there")
			s.ends(k, phase, reason, message)
			s.say("%s: %s (%s): %s", s.name(k), a.Phase, a.Reason, a.Message)
		}
	})
}

func (s *stage) sentTo(target int) bool {
	return slices.ContainsFunc(s.v.Attempts[target], func(a *ledger.Attempt) bool { return a != nil && a.Sent })
}

// send plays the machine's part of one action. Its machine tells no process id, unless it leaves processes.
func (s *stage) send(k Key) {
	a, b, begins := s.attempt(k), s.behaviour(k), s.v.Now
	if !a.Running() {
		return
	}
	a.Sent, a.SentTime, a.Host, a.Reason, a.Message = true, s.v.Now, "10.0.0.1:10933", "", ""
	s.at(s.v.Now, func() {}) // a report
	if b.Waits != "" {
		a.Reason, a.Message = v1alpha1.ReasonMachineBusy, "another script runs there"
	}
	if b.Waits == "ever" {
		return
	}
	begins = begins.Add(s.duration(cmp.Or(b.Waits, "0s")))
	s.at(begins, func() {
		if a.Running() {
			a.Begun, a.Reason, a.Message = s.v.Now, "", ""
		}
	})
	ends := begins.Add(s.duration(cmp.Or(b.Takes, "10s")))
	if b.Exit != 0 {
		s.finish(k, ends, v1alpha1.StepFailed, v1alpha1.ReasonExitCode, &b.Exit)
		return
	}
	s.finish(k, ends, v1alpha1.StepSucceeded, "", nil)
}

// finish reports how an action ended, unless it has ended otherwise before.
func (s *stage) finish(k Key, at time.Time, phase v1alpha1.StepPhase, reason string, exit *int32) {
	a := s.attempt(k)
	s.at(at, func() {
		if !a.Running() {
			return
		}
		s.ends(k, phase, reason, "")
		a.ExitCode = exit
		if a.Sent || reason == "" {
			s.say("%s: %s", s.name(k), phase)
			return
		}
		s.say("%s: %s (%s), not sent", s.name(k), phase, reason)
	})
}

// closing tells what status shows in the end.
func (s *stage) closing(sum Summary) {
	fmt.Fprintf(&s.log, "\nprogress %s, targets: %+v\n", sum.Progress, sum.Targets)
	for _, st := range sum.Steps {
		fmt.Fprintf(&s.log, "step   %-14s %-9s %s\n", st.Name, st.Phase, st.Targets)
	}
	for _, line := range s.sc.Targets {
		name, _, _ := strings.Cut(line, " ")
		at := slices.IndexFunc(s.v.Targets, func(t Target) bool { return t.Name == name })
		r := sum.Results[at]
		fmt.Fprintln(&s.log, strings.TrimRight(fmt.Sprintf("target %-14s %-9s %s", name, r.Phase, r.Reason), " "))
	}
	for _, f := range sum.Failures {
		fmt.Fprintf(&s.log, "failure %s %s attempt %d: %s\n", f.Target, f.Step, f.Attempt, f.Reason)
	}
}
