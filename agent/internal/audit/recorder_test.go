package audit

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// recorded is what the log says, each line as "what decision ticket count".
func (r *rig) recorded() string {
	r.t.Helper()
	var words []string
	for _, e := range r.entries() {
		words = append(words, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s %d", e.What, e.Decision, e.Ticket, e.Rule, e.Count)), " "))
	}
	return strings.Join(words, ", ")
}

func (r *rig) entries() (all []Entry) {
	r.t.Helper()
	for _, line := range r.lines() {
		e, err := Decode([]byte(strings.TrimSuffix(line, "\n")))
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func TestWhatIsAskedForInVainIsWrittenOnceWithANumber(t *testing.T) {
	r := newRig(t)
	log := Record(r.open(defaultSize, defaultKeep))
	for i := range 100 {
		id := fmt.Sprint("x", i)
		log.Note(Entry{What: Connection, Decision: Allowed, Operator: "a", Peer: fmt.Sprint("192.0.2.1:", i)})
		log.Note(Entry{What: Cancel, Decision: Allowed, Operator: "a", Ticket: id, Reason: "the operator has no such ticket"})
		log.Note(Entry{What: Complete, Decision: Allowed, Operator: "a", Ticket: id, Reason: "the operator has no such ticket"})
		log.Note(Entry{What: Start, Decision: Known, Operator: "a", Ticket: "known", Reason: "nothing was started"})
		log.Note(Entry{What: Start, Decision: Refused, Operator: "a", Ticket: id, Rule: "hours"})
		if err := log.Append(Entry{What: Download, Decision: Allowed, Operator: "a", Path: id, Reason: "there is no such file"}); err != nil {
			t.Fatal(err)
		}
	}
	first := "connection allowed 0, cancel allowed x0 0, complete allowed x0 0, start known known 0, start refused x0 hours 0, download allowed 0"
	if got := r.recorded(); got != first {
		t.Errorf("the first of each is written at once, and the log says\n%s", got)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	rest := strings.TrimPrefix(r.recorded(), first+", ")
	for _, want := range []string{"connection allowed 99", "cancel allowed 99", "complete allowed 99", "start known known 99", "start refused hours 99", "download allowed 99"} {
		if !strings.Contains(rest+",", want+",") {
			t.Errorf("%q is not among the lines of the end: %s", want, rest)
		}
	}
	r.sound()
}

// A line that is written later must not make it seem that somebody was let in after trust in them was removed.
func TestWhatIsToldLaterHasTheTimeOfWhatHappened(t *testing.T) {
	r := newRig(t)
	log := Record(r.open(defaultSize, defaultKeep))
	for range 2 {
		log.Note(Entry{What: Connection, Decision: Allowed, Operator: "a"})
	}
	time.Sleep(5 * time.Millisecond) // the clock has to go on
	log.Note(Entry{What: Trust, Decision: "removed", Operator: "a"})
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	lines := r.entries()
	if removed, last := lines[1], lines[2]; last.What != Connection || !last.Time.Before(removed.Time) {
		t.Errorf("%+v is told behind %+v", last, removed)
	}
}

func TestWhatChangesSomethingIsAlwaysWrittenAtOnce(t *testing.T) {
	r := newRig(t)
	log := Record(r.open(defaultSize, defaultKeep))
	var want []string
	for i := range 5 {
		id := fmt.Sprint("t", i)
		for _, what := range []string{Start, Cancel, Complete, Upload, Download} {
			if err := log.Append(Entry{What: what, Decision: Allowed, Operator: "a", Ticket: id}); err != nil {
				t.Fatal(err)
			}
			want = append(want, what+" allowed "+id+" 0")
		}
		log.Note(Entry{What: Turn, Decision: Refused, Operator: "a", Ticket: id, Rule: "hours"})
		log.Note(Entry{What: Policy, Decision: "in force"})
		log.Note(Entry{What: Connection, Decision: Refused, Operator: "s", Count: 7})
		want = append(want, "turn refused "+id+" hours 0", "policy in force 0", "connection refused 7")
	}
	if got := r.recorded(); got != strings.Join(want, ", ") {
		t.Errorf("the log says\n%s\nwant\n%s", got, strings.Join(want, ", "))
	}
	r.close(log.Log)
}

func TestOthersAndOtherReasonsAreWrittenApart(t *testing.T) {
	r := newRig(t)
	log := Record(r.open(defaultSize, defaultKeep))
	for _, e := range []Entry{
		{Operator: "a", Peer: "192.0.2.1:1", Rule: "hours"}, {Operator: "b", Peer: "192.0.2.1:1", Rule: "hours"}, {Operator: "a", Peer: "192.0.2.1:1", Rule: "users"},
		{Operator: "a", Peer: "192.0.2.2:1", Rule: "hours"}, {Operator: "a", Peer: "192.0.2.1:1", Reason: "not trusted"},
	} {
		e.What, e.Decision = Start, Refused
		log.Note(e)
	}
	if got := len(r.lines()); got != 5 {
		t.Errorf("%d lines, want 5: %s", got, r.recorded())
	}
	r.close(log.Log)
}

func TestAnOperatorWithManyReasonsFillsNeitherLogNorMemory(t *testing.T) {
	r := newRig(t)
	log := Record(r.open(defaultSize, defaultKeep))
	const count = 10 * maxKinds
	for i := range count {
		log.Note(Entry{What: Start, Decision: Known, Operator: "a", Ticket: "x", Reason: fmt.Sprint("exit code ", i)})
	}
	log.Note(Entry{What: Start, Decision: Refused, Operator: "b", Ticket: "y", Rule: "hours"})
	if got := r.recorded(); !strings.HasSuffix(got, "start refused y hours 0") {
		t.Errorf("who comes then is not written down: %s", got)
	}
	if n := len(log.vain.seen); n > maxKinds+2 {
		t.Errorf("%d kinds are remembered", n)
	}
	if n := len(r.lines()); n > maxKinds+2 {
		t.Errorf("%d lines", n)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if got := r.recorded(); !strings.HasSuffix(got, fmt.Sprintf("start known x %d", count-maxKinds-1)) {
		t.Errorf("the last line does not tell of the others: %s", got)
	}
}

func TestWhatWaitsIsToldAMinuteLaterAndThenForgotten(t *testing.T) {
	var told []string
	tell := func(c Counted[string, string]) { told = append(told, fmt.Sprint(c.Kind, " ", c.Value, " ", c.Count)) }
	tally := NewTally(2, func(string) string { return "others" }, func(_, newest string) string { return newest }, tell)
	now := time.Now()
	count := func(kind, v string, at time.Duration) {
		for _, due := range tally.Count(kind, v, now.Add(at)) {
			tell(due)
		}
	}
	want := func(lines ...string) {
		t.Helper()
		if strings.Join(told, ", ") != strings.Join(lines, ", ") {
			t.Errorf("told %q, want %q", told, lines)
		}
		told = nil
	}
	count("a", "1", -2*Quiet)
	count("a", "2", -2*Quiet)
	count("a", "3", -2*Quiet)
	count("b", "1", 0)
	count("b", "2", 0)
	want("a 1 1", "b 1 1")
	tally.expire(now)
	want("a 3 2")
	if len(tally.seen) != 1 || tally.timer == nil {
		t.Errorf("%d kinds are remembered, and a timer for what still waits: %v", len(tally.seen), tally.timer != nil)
	}
	count("b", "3", Quiet)
	want("b 3 2")
	tally.Flush()
	want()
	if tally.timer != nil {
		t.Error("a timer is left although nothing waits")
	}
}
