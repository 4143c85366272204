package tentacletest

import (
	"bytes"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/api/tentacle"
)

// tale is what a listener told of its scripts, by ticket. A ticket that was completed and is asked for again
// is another one.
type tale struct {
	home    string
	scripts map[string]*script
	names   map[string]int
}

// script is the output of one script so far, with the numbers that the listener gave, and its last state.
type script struct {
	logs     []entry
	last     int64
	state    tentacle.ProcessState
	exitCode int32
}

type entry struct {
	source tentacle.ProcessOutputSource
	text   string
}

func newTale(home string) *tale {
	return &tale{home: home, scripts: map[string]*script{}, names: map[string]int{}}
}

func (t *tale) script(ticket string) *script {
	name := ticket
	for range t.names[ticket] {
		name += " again"
	}
	if t.scripts[name] == nil {
		t.scripts[name] = &script{}
	}
	return t.scripts[name]
}

func (t *tale) ended(ticket string) bool { return t.script(ticket).state == tentacle.Complete }
func (t *tale) last(ticket string) int64 { return t.script(ticket).last }

// translate makes of a LastLogSequence in the recording the one that this listener gave at that place.
func (t *tale) translate(recorded *tale, ticket string, last int64) int64 {
	if last != 0 && recorded.last(ticket) == last {
		return t.last(ticket)
	}
	return last
}

func ticketOf(message element) string {
	command := message.member("params", "0")
	if start := command.member("ScriptTicket", "TaskId"); !start.isNull() {
		return start.text
	}
	return command.member("Ticket", "TaskId").text
}

// asksAfter tells the LastLogSequence of a request that has one.
func asksAfter(message element) (last int64, ok bool) {
	e := message.member("params", "0", "LastLogSequence")
	return int64(e.number), e.kind == bsonInt64
}

// take learns from an answer what it tells of a script.
func (t *tale) take(asked element, answer utterance) {
	ticket := ticketOf(asked)
	if asked.member("method").text == "CompleteScript" {
		defer func() { t.names[ticket]++ }() // V1 has the last output in its answer
	}
	result := answer.message.member("result")
	logs := result.member("Logs")
	if logs.isNull() {
		return
	}
	s := t.script(ticket)
	next := int64(result.member("NextLogSequence").number)
	first := next - int64(len(logs.members))
	for i, m := range logs.members {
		if first+int64(i) >= int64(len(s.logs)) {
			s.logs = append(s.logs, entry{tentacle.ProcessOutputSource(m.member("Source").number), m.member("Text").text})
		}
	}
	s.last = next
	s.state = tentacle.ProcessState(result.member("State").number)
	s.exitCode = int32(result.member("ExitCode").number)
}

var scriptFile = regexp.MustCompile(`[^ ]*/Work/[^ /:]+/[^ /:]+: `)

// own are the lines of one stream that are the script's, not its launcher's.
func (s *script) own(source tentacle.ProcessOutputSource) []string {
	lines := []string{}
	launcher := false
	for _, e := range s.logs {
		if e.source == tentacle.StdOut {
			switch e.text {
			case "##octopus[stdout-verbose]", tentacle.StdoutWait:
				launcher = true
			case tentacle.StdoutDefault:
				launcher = false
				continue
			}
		}
		if e.source == source && (!launcher || source != tentacle.StdOut) {
			lines = append(lines, scriptFile.ReplaceAllString(e.text, "SCRIPT: "))
		}
	}
	return lines
}

// compare holds what was heard of each script, to its end, to what was told of it.
func (t *tale) compare(test *testing.T, heard *tale) {
	test.Helper()
	for name, want := range t.scripts {
		got := heard.scripts[name]
		if got == nil {
			test.Errorf("nothing was heard of the script %s", name)
			continue
		}
		got.compare(test, name, want)
	}
}

func (s *script) compare(test *testing.T, name string, want *script) {
	test.Helper()
	cancelled := want.exitCode == -1 && s.exitCode == tentacle.ExitCanceled
	if s.state != want.state || (s.exitCode != want.exitCode && !cancelled) {
		test.Errorf("the script %s ended in state %d with %d, recorded are %d and %d",
			name, s.state, s.exitCode, want.state, want.exitCode)
	}
	for _, source := range []tentacle.ProcessOutputSource{tentacle.StdOut, tentacle.StdErr} {
		if diff := cmp.Diff(want.own(source), s.own(source)); diff != "" {
			test.Errorf("the output of %s (-recorded +heard):\n%s", name, diff)
		}
	}
}

// compare holds one answer to the recorded one.
func (s *story) compare(want, got utterance) {
	s.Helper()
	what := s.asked.member("service").text + "::" + s.asked.member("method").text
	if !slices.Equal(names(want.message), names(got.message)) ||
		want.message.member("$type").text != got.message.member("$type").text ||
		(got.message.member("id").text != s.asked.member("id").text && s.asked.kind == bsonDocument) {
		s.Errorf("%s: the answer is %+v, recorded is %+v", what, got.message, want.message)
	}
	s.compareErrors(what, want.message.member("error"), got.message.member("error"))
	wanted, gotten := want.message.member("result"), got.message.member("result")
	if diff := cmp.Diff(shape(wanted), shape(gotten)); diff != "" {
		s.Errorf("%s: the shape of the result (-recorded +heard):\n%s", what, diff)
	}
	s.compareCapabilities(wanted, gotten)
	s.compareFiles(what, wanted, gotten)
	if !slices.EqualFunc(want.streams, got.streams, bytes.Equal) {
		s.Errorf("%s: another content came than the recorded one", what)
	}
}

// final is how the details begin of what Octopus's client does not try again (halibut.md section 8.2).
const final = "System.Reflection.TargetInvocationException: Exception has been thrown by the target of an invocation."

func (s *story) compareErrors(what string, want, got element) {
	s.Helper()
	details, recorded := got.member("details"), want.member("details")
	same := want.kind == got.kind && slices.Equal(names(want), names(got)) &&
		(want.member("message").text == got.member("message").text || s.odd) &&
		want.member("HalibutErrorType").text == got.member("HalibutErrorType").text &&
		recorded.kind == details.kind && strings.HasPrefix(recorded.text, final) == strings.HasPrefix(details.text, final)
	if !same {
		s.Errorf("%s: the error is %+v, recorded is %+v", what, got, want)
	}
}

func (s *story) compareCapabilities(want, got element) {
	s.Helper()
	for _, c := range want.member("SupportedCapabilities").members {
		if !slices.ContainsFunc(got.member("SupportedCapabilities").members, func(e element) bool { return e.text == c.text }) {
			s.Errorf("the capability %s is missing", c.text)
		}
	}
}

func (s *story) compareFiles(what string, want, got element) {
	s.Helper()
	if want.member("Hash").text != got.member("Hash").text || want.member("Length").number != got.member("Length").number {
		s.Errorf("%s: the result is %+v, recorded is %+v", what, got, want)
	}
	relative := func(e element, home string) string {
		return strings.TrimPrefix(strings.TrimPrefix(filepath.ToSlash(e.member("FullPath").text), filepath.ToSlash(home)), "/")
	}
	if w, g := relative(want, s.told.home), relative(got, s.heard.home); w != g {
		s.Errorf("%s: the path in the home is %q, recorded is %q", what, g, w)
	}
}

func names(e element) []string {
	var all []string
	for _, m := range e.members {
		all = append(all, m.name)
	}
	return all
}

// shape is the names and types of an element, with the texts of its type names. Lists count as empty.
func shape(e element) []string {
	lines := []string{}
	for _, m := range e.members {
		line := m.name + " " + string("0123456789abcdef"[m.kind>>4]) + string("0123456789abcdef"[m.kind&15])
		if m.name == "$type" {
			line += " " + m.text
		}
		lines = append(lines, line)
		if m.kind == bsonDocument {
			lines = append(lines, shape(m)...)
		}
	}
	return lines
}
