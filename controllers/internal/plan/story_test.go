package plan

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the stories as they are now into testdata")

// script is the first half of a story's file: what there is, what scripts do, and what happens meanwhile.
type script struct {
	// Targets are "name role role".
	Targets  []string                 `json:"targets"`
	Steps    []v1alpha1.Step          `json:"steps"`
	Settings v1alpha1.ProjectSettings `json:"settings"`
	Purpose  v1alpha1.RunPurpose      `json:"purpose"`
	// Actions by "target step", "* step", or "*": what a script does. By default it takes 10s and ends well.
	Actions map[string]behaviour `json:"actions"`
	Events  []happening          `json:"events"`
}

// behaviour of a script.
type behaviour struct {
	// Takes how long.
	Takes string `json:"takes"`
	// Exit code that it ends with.
	Exit int32 `json:"exit"`
	// Waits that long for the machine's mutex before it begins; "ever" is never ending.
	Waits string `json:"waits"`
	// Cancel is how long it takes to end when cancelled, 1s unless given; "never" ignores it.
	Cancel string `json:"cancel"`
	// Unsent is the reason why it cannot be sent; that is known after a minute.
	Unsent string `json:"unsent"`
}

// happening is something that changes from outside.
type happening struct {
	At string `json:"at"`
	// Set is "target=Availability", and a reason where the target gives one.
	Set string `json:"set"`
	// Roles are "target=role role".
	Roles string `json:"roles"`
	// Stop is Cancel or Supersede.
	Stop Stop `json:"stop"`
}

// TestStories plays each file of testdata to its end and compares what was decided, line by line.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.story")
	if err != nil || len(files) == 0 {
		t.Fatalf("finding stories: %v, %d files", err, len(files))
	}
	const border = "\n-- story --\n"
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".story"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			head, want, _ := strings.Cut(string(data), border)
			var sc script
			if err := yaml.UnmarshalStrict([]byte(head), &sc); err != nil {
				t.Fatalf("reading the script: %v", err)
			}
			got := newStage(t, sc).play()
			if *update {
				if err := os.WriteFile(file, []byte(strings.TrimRight(head, "\n")+"\n"+border[1:]+got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("the story differs (-want +got); look at it, then go test -update\n%s", diff)
			}
		})
	}
}

// stage is a tiny simulated executor: it carries decisions out and lets time pass.
type stage struct {
	t     *testing.T
	sc    script
	f     Facts
	start time.Time
	queue []moment // sorted by time
	log   bytes.Buffer
	check func(Decision) // sees every decision before it is carried out
}

// moment is something that will happen.
type moment struct {
	at   time.Time
	what func()
}

func newStage(t *testing.T, sc script) *stage {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := &stage{t: t, sc: sc, start: start, check: func(Decision) {}, f: Facts{
		Now: start, Steps: sc.Steps, Settings: sc.Settings, Purpose: sc.Purpose, Rows: map[Key]Row{},
	}}
	for _, line := range sc.Targets {
		words := strings.Fields(line)
		s.f.Targets = append(s.f.Targets, Target{Name: words[0], RetryDuration: time.Minute, Roles: asRoles(words[1:])})
	}
	for _, e := range sc.Events {
		if e.At == "0s" {
			s.happen(e)
			continue
		}
		s.at(start.Add(s.duration(e.At)), func() { s.happen(e) })
	}
	return s
}

func asRoles(words []string) []v1alpha1.Role {
	var roles []v1alpha1.Role
	for _, w := range words {
		roles = append(roles, v1alpha1.Role(w))
	}
	return roles
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
	d := s.f.Now.Sub(s.start)
	fmt.Fprintf(&s.log, "%02d:%02d  %s\n", int(d.Minutes()), int(d.Seconds())%60, fmt.Sprintf(format, args...))
}

func (s *stage) happen(e happening) {
	if e.Stop != "" {
		s.f.Stop, s.f.StopSince = e.Stop, s.f.Now
		s.say("! %s", map[Stop]string{Cancel: "a person cancels the run", Supersede: "the binding wishes another release"}[e.Stop])
	}
	if name, roles, ok := strings.Cut(e.Roles, "="); ok {
		for i := range s.f.Targets {
			if s.f.Targets[i].Name == name {
				s.f.Targets[i].Roles = asRoles(strings.Fields(roles))
			}
		}
		s.say("! %s has the roles %q now", name, roles)
	}
	name, availability, ok := strings.Cut(e.Set, "=")
	if !ok {
		return
	}
	state, reason, _ := strings.Cut(availability, " ")
	for i := range s.f.Targets {
		if s.f.Targets[i].Name == name {
			s.f.Targets[i].Availability, s.f.Targets[i].Reason = Availability(state), reason
		}
	}
	s.say("! %s is now %s", name, availability)
}

// play drives Next until the outcome.
func (s *stage) play() string {
	for range 1000 {
		d := Next(s.f)
		s.check(d)
		s.carryOut(d)
		for completes, i := Completes(s.f), 0; i < len(d.Start); i++ {
			if st := d.Start[i]; completes(st.Key) != st.Final {
				s.t.Fatalf("in flight it is told otherwise whether %s completes %s: wanted %t", st.Step, st.Target, st.Final)
			}
		}
		if again := Next(s.f); len(again.Start)+len(again.End)+len(again.Cancel) > 0 {
			s.t.Fatalf("Next decides more on the same facts: %+v", again)
		}
		if d.Outcome != nil {
			s.say("run %s (%s): %s", d.Outcome.Phase, d.Outcome.Reason, d.Outcome.Message)
			s.closing()
			return s.log.String()
		}
		if !s.pass(d.Wake) {
			s.t.Fatalf("nothing will ever happen again:\n%s", s.log.String())
		}
	}
	s.t.Fatalf("the run does not end:\n%s", s.log.String())
	return ""
}

// pass lets time go on to the next moment, or to the wake-up.
func (s *stage) pass(wake time.Duration) bool {
	next := s.f.Now.Add(wake)
	if len(s.queue) > 0 && (wake == 0 || !s.queue[0].at.After(next)) {
		s.f.Now = s.queue[0].at
		for len(s.queue) > 0 && s.queue[0].at.Equal(s.f.Now) {
			what := s.queue[0].what
			s.queue = s.queue[1:]
			what()
		}
		return true
	}
	s.f.Now = next
	return wake > 0
}

func (s *stage) carryOut(d Decision) {
	for _, note := range d.Notes {
		s.say("  %s", note)
	}
	for _, e := range d.End {
		row := s.f.Rows[e.Key]
		row.Phase, row.Reason, row.Message, row.EndTime = e.Phase, e.Reason, e.Message, s.f.Now
		s.f.Rows[e.Key] = row
	}
	for _, st := range d.Start {
		if st.Final {
			s.say("  (%s completes %s)", st.Step, st.Target)
		}
		s.f.Rows[st.Key] = Row{Phase: v1alpha1.StepRunning, Attempt: st.Attempt, StartTime: s.f.Now, Host: "10.0.0.1:10933"}
		s.send(st.Key)
	}
	for _, k := range d.Cancel {
		row := s.f.Rows[k]
		row.CancelSent, row.CancelTime = true, s.f.Now
		s.f.Rows[k] = row
		if b := s.behaviour(k); b.Cancel != "never" {
			s.finish(k, s.f.Now.Add(s.duration(or(b.Cancel, "1s"))), v1alpha1.StepCancelled, "", nil)
		}
	}
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func (s *stage) behaviour(k Key) behaviour {
	for _, name := range []string{k.Target + " " + k.Step, "* " + k.Step, "*"} {
		if b, ok := s.sc.Actions[name]; ok {
			return b
		}
	}
	return behaviour{}
}

// send plays the machine's part of one action.
func (s *stage) send(k Key) {
	b, begins := s.behaviour(k), s.f.Now
	if b.Unsent != "" {
		s.at(begins.Add(time.Minute), func() {
			row := s.f.Rows[k]
			if row.Phase != v1alpha1.StepRunning {
				return
			}
			e := Unsent(s.f, k, b.Unsent, "nothing listens there")
			s.say("%s %s: %s (%s): %s", k.Target, k.Step, e.Phase, e.Reason, e.Message)
			row.Phase, row.Reason, row.Message, row.EndTime = e.Phase, e.Reason, e.Message, s.f.Now
			s.f.Rows[k] = row
		})
		return
	}
	if b.Waits == "ever" {
		return
	}
	begins = begins.Add(s.duration(or(b.Waits, "0s")))
	s.at(begins, func() {
		row := s.f.Rows[k]
		row.Begun, row.Pid = s.f.Now, 4711
		s.f.Rows[k] = row
	})
	if b.Exit != 0 {
		s.finish(k, begins.Add(s.duration(or(b.Takes, "10s"))), v1alpha1.StepFailed, v1alpha1.ReasonExitCode, &b.Exit)
		return
	}
	s.finish(k, begins.Add(s.duration(or(b.Takes, "10s"))), v1alpha1.StepSucceeded, "", nil)
}

// finish reports how an action ended, unless it has ended otherwise before.
func (s *stage) finish(k Key, at time.Time, phase v1alpha1.StepPhase, reason string, exit *int32) {
	s.at(at, func() {
		row := s.f.Rows[k]
		if row.Phase != v1alpha1.StepRunning {
			return
		}
		row.Phase, row.Reason, row.ExitCode, row.EndTime = phase, reason, exit, s.f.Now
		s.f.Rows[k] = row
		s.say("%s %s: %s", k.Target, k.Step, phase)
	})
}

// closing tells what status shows in the end.
func (s *stage) closing() {
	sum := Summarize(s.f)
	fmt.Fprintf(&s.log, "\nprogress %s, targets: %+v\n", sum.Progress, sum.Targets)
	for _, st := range sum.Steps {
		fmt.Fprintf(&s.log, "step   %-14s %-9s %s\n", st.Name, st.Phase, st.Targets)
	}
	for _, t := range s.f.Targets {
		r := sum.Results[t.Name]
		fmt.Fprintln(&s.log, strings.TrimRight(fmt.Sprintf("target %-14s %-9s %s", t.Name, r.Phase, r.Reason), " "))
	}
	for _, f := range sum.Failures {
		fmt.Fprintf(&s.log, "failure %s %s attempt %d: %s\n", f.Target, f.Step, f.Attempt, f.Reason)
	}
}
