package tentacle

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/api/halibut"
)

func TestValidTicket(t *testing.T) {
	long := strings.Repeat("x", 100)
	for _, id := range []string{"a", "A-1_b.c", "...", "m0123456789abcdef", long} {
		if !ValidTicket(id) {
			t.Errorf("ticket %q is refused", id)
		}
	}
	for _, id := range []string{"", ".", "..", "a/b", `a\b`, "../x", "a b", "ü", "a\x00", "a\n", long + "x", "@", "[", "`", "{"} {
		if ValidTicket(id) {
			t.Errorf("ticket %q is accepted", id)
		}
	}
}

func TestTicketsOfV1AreTicketsWhateverTheTask(t *testing.T) {
	at := time.Date(2026, 1, 2, 4, 4, 5, 0, time.FixedZone("east", 3600))
	text := func(s string) *string { return &s }
	for _, c := range []struct {
		task *string
		want string
	}{
		{text("ServerTasks-1"), "20260102030405-1-7"},
		{text("task-v1"), "20260102030405-task-v1-7"},
		{nil, "20260102030405--7"},
		{text(""), "20260102030405--7"},
		{text("../ä b\x00/."), "20260102030405-..---b--.-7"},
		{text(strings.Repeat("x", 200)), "20260102030405-" + strings.Repeat("x", 60) + "-7"},
	} {
		if got := TicketV1(at, c.task, 7); got.TaskID != c.want || !ValidTicket(got.TaskID) {
			t.Errorf("ticket %q, want %q", got.TaskID, c.want)
		}
	}
	if last := TicketV1(at, text(strings.Repeat("é", 200)), 1<<63-1); !ValidTicket(last.TaskID) {
		t.Errorf("%q is no ticket", last.TaskID)
	}
}

func TestEnumerationsAreReadByNameToo(t *testing.T) {
	var level ScriptIsolationLevel
	var state ProcessState
	var source ProcessOutputSource
	for _, err := range []error{
		level.UnmarshalText([]byte("fullisolation")), state.UnmarshalText([]byte("Complete")), source.UnmarshalText([]byte(" StdErr ")),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if level != FullIsolation || state != Complete || source != StdErr {
		t.Errorf("read %d, %d and %d", level, state, source)
	}
	if err := level.UnmarshalText([]byte("Total")); err == nil {
		t.Errorf("an unknown level was read as %d", level)
	}
	for key, want := range map[string]shell{"Bash": BashScript, "bash": BashScript, "1": BashScript, "POWERSHELL": PowerShellScript, "0": PowerShellScript, "Perl": "", "": "", "2": ""} {
		var got shell
		if err := got.UnmarshalText([]byte(key)); got != want || (err != nil) != (want == "") {
			t.Errorf("the key %q was read as %q, %v", key, got, err)
		}
	}
}

func TestAlreadyCompletedLineGivesTheExitCodeBack(t *testing.T) {
	for _, code := range []int32{0, 3, 255, ExitCanceled, 1<<31 - 1, -1 << 31} {
		r := Refused(ScriptTicket{"t"}, ExitAlreadyCompleted, AlreadyCompletedLine(&code))
		if got, ok := ParseAlreadyCompleted(r); !ok || got != code {
			t.Errorf("exit code %d came back as %d, %v", code, got, ok)
		}
	}
}

func TestParseAlreadyCompletedTakesNothingElse(t *testing.T) {
	zero := int32(0)
	line := AlreadyCompletedLine(&zero)
	stdout := Refused(ScriptTicket{"t"}, ExitAlreadyCompleted, line)
	stdout.Logs[0].Source = StdOut
	running := Refused(ScriptTicket{"t"}, ExitAlreadyCompleted, line)
	running.State = Running
	for name, r := range map[string]ScriptStatusResponseV2{
		"still running":     Refused(ScriptTicket{"t"}, ExitAlreadyCompleted, AlreadyCompletedLine(nil)),
		"another exit code": Refused(ScriptTicket{"t"}, ExitBadTicket, line),
		"the script's own":  stdout,
		"not complete":      running,
		"not a number":      Refused(ScriptTicket{"t"}, ExitAlreadyCompleted, "already completed, exit code 1 or so"),
		"too large":         Refused(ScriptTicket{"t"}, ExitAlreadyCompleted, "already completed, exit code 4294967296"),
		"no line":           {State: Complete, ExitCode: ExitAlreadyCompleted},
	} {
		if code, ok := ParseAlreadyCompleted(r); ok {
			t.Errorf("%s: took exit code %d", name, code)
		}
	}
}

func TestSplitArguments(t *testing.T) {
	for _, c := range []struct{ in, want []string }{
		{nil, nil},
		{[]string{"plain", "two words", `qu"o'te$x`}, []string{"plain", "two", "words", "quo'te$x"}},
		{[]string{`"two words"`, "\tx  "}, []string{"two words", "x"}},
		{[]string{`""`, "a"}, []string{"", "a"}},
		{[]string{`a\b`, `c:\x\`}, []string{`a\b`, `c:\x\`}},
		{[]string{`say \"hi\"`}, []string{"say", `"hi"`}},
		{[]string{`"a ""b"" c"`}, []string{`a "b" c`}},
	} {
		if diff := cmp.Diff(c.want, SplitArguments(c.in)); diff != "" {
			t.Errorf("arguments %q (-want +got):\n%s", c.in, diff)
		}
	}
}

func FuzzQuotedArgumentArrivesWhole(f *testing.F) {
	for _, s := range []string{"", "plain", "two words", `qu"o'te$x`, `\`, `\\"`, `a\ b\`, "\t\n", `"`} {
		f.Add(s, "next")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		want := []string{a, b}
		got := SplitArguments([]string{QuoteArgument(a), QuoteArgument(b)})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestFactsComeBackFromTheirStrings(t *testing.T) {
	free := int64(120)
	want := Facts{
		Services: []string{FileTransferServiceName, ScriptServiceV2Name, MantleScriptServiceName},
		Version:  "1.2.3", OS: "linux", Arch: "amd64", Policy: PolicyNone, Engine: 1, LowDisk: &free, NoJournal: true,
		Audit: AuditHead{Count: 4711, Hash: strings.Repeat("0a", 32)},
	}
	got := ParseFacts(want.Response())
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if !got.Has(MantleScriptServiceName) || got.Has("IScriptService") {
		t.Errorf("services are %q", got.Services)
	}
}

func TestFactsOfAStranger(t *testing.T) {
	octopus := []string{"IScriptService", FileTransferServiceName, ScriptServiceV2Name}
	got := ParseFacts(CapabilitiesResponseV2{SupportedCapabilities: octopus})
	if diff := cmp.Diff(Facts{Services: octopus}, got); diff != "" {
		t.Errorf("an Octopus Tentacle (-want +got):\n%s", diff)
	}
	hostile := []string{
		"MantleEngine/many", "mantle.lowDisk=none", "mantle.lowDisk=-1", "MantleEngine/-1", "mantle.platform=linux", "mantle.version=1\n2",
		"mantle.audit=", "mantle.audit=-1:" + NoAuditHash, "mantle.audit=1:" + strings.Repeat("A", 64), "mantle.audit=01:" + NoAuditHash,
		"mantle.audit=1:" + NoAuditHash + "0", "mantle.audit=99999999999999999999:" + NoAuditHash, strings.Repeat("x", 1000),
	}
	got = ParseFacts(CapabilitiesResponseV2{SupportedCapabilities: hostile})
	if diff := cmp.Diff(Facts{}, got); diff != "" {
		t.Errorf("a hostile one (-want +got):\n%s", diff)
	}
	if got := ParseFacts(CapabilitiesResponseV2{SupportedCapabilities: make([]string, 10_000)}); len(got.Services) > 256 {
		t.Errorf("kept %d services", len(got.Services))
	}
}

func TestBodyFor(t *testing.T) {
	both := StartScriptCommandV2{ScriptBody: "exit 1", Scripts: map[string]string{"Bash": "exit 2"}}
	if got := both.BodyFor("linux"); got != "exit 2" {
		t.Errorf("linux runs %q", got)
	}
	if got := both.BodyFor("windows"); got != "exit 1" {
		t.Errorf("windows runs %q", got)
	}
}

func TestOldTentaclesAreToldFromFailingOnes(t *testing.T) {
	stopping := "The Tentacle service is shutting down and cannot process this request."
	for _, c := range []struct {
		name string
		err  halibut.ServerError
		old  bool
	}{
		{"plain Halibut", halibut.ServerError{Kind: halibut.ServiceNotFound}, true},
		{"Tentacle 6.2", halibut.ServerError{Message: "Error: ICapabilitiesServiceV2 has not been registered through an IAutofacServiceSource"}, true},
		{"old details", halibut.ServerError{Details: "Octopus.Tentacle.Communications.UnknownServiceNameException: x"}, true},
		{"Autofac", halibut.ServerError{Details: "at Octopus.Shared.AutofacServiceFactory.CreateService(String)"}, true},
		{"stopping", halibut.ServerError{Message: stopping, Details: "at CreateService(String) " + stopping}, false},
		{"disposed", halibut.ServerError{Details: "ObjectDisposedException at CreateService(String) ICapabilitiesServiceV2"}, false},
		{"something else", halibut.ServerError{Message: "disk on fire"}, false},
	} {
		if got := predatesCapabilities(&c.err); got != c.old {
			t.Errorf("%s: taken for old: %v", c.name, got)
		}
	}
}

func TestARefusalByPolicyIsFoundInWhatATentacleSays(t *testing.T) {
	for _, text := range []string{RefusedByPolicy("hours", "not now: Mon-Fri"), "The script is " + RefusedByPolicy("hours", "not now: Mon-Fri") + "\nmore"} {
		if rule, why, ok := ParseRefusedByPolicy(text); !ok || rule != "hours" || why != "not now: Mon-Fri" {
			t.Errorf("%q is read as %q, %q, %v", text, rule, why, ok)
		}
	}
	for _, text := range []string{"", "The script is refused: not trusted on this machine", refusedByPolicy, refusedByPolicy + ": x",
		refusedByPolicy + "two words: x", refusedByPolicy + strings.Repeat("x", 1000) + ": x"} {
		if rule, _, ok := ParseRefusedByPolicy(text); ok {
			t.Errorf("%q is read as a refusal by rule %q", text, rule)
		}
	}
}

func TestTheProcessesThatLiveOnAreFoundInATentaclesLineAlone(t *testing.T) {
	for _, want := range [][]int{{4711, 4712}, {1}, make100()} {
		if got, ok := ParseAbandoned(Abandoned(want) + "\r\n"); !ok || !slices.Equal(got, want) {
			t.Errorf("%v is read as %v, %v", want, got, ok)
		}
	}
	if got, ok := ParseAbandoned(Abandoned(nil)); !ok || len(got) != 0 {
		t.Errorf("none is read as %v, %v", got, ok)
	}
	for _, text := range []string{"", "retry 3 of 5", "Abandoned: 4711", abandoned, abandoned + "[4711", abandoned + "[4711 x]", abandoned + "[0]", abandoned + "[-1]",
		"echo " + Abandoned([]int{1}), Abandoned([]int{1}) + " of 5", Abandoned(append(make100(), 1)), abandoned + "[99999999999]"} {
		if pids, ok := ParseAbandoned(text); ok {
			t.Errorf("%q is read as %v", text, pids)
		}
	}
}

func make100() []int {
	pids := make([]int, 100)
	for i := range pids {
		pids[i] = i + 1
	}
	return pids
}

// FuzzParseFacts takes any strings for the capabilities of a machine: what is taken of them is bounded, can be shown, and comes
// back the same.
func FuzzParseFacts(f *testing.F) {
	f.Add("IScriptService", "mantle.version=1.2.3", "mantle.platform=linux/amd64")
	f.Add("mantle.lowDisk=120", "mantle.audit=4711:"+strings.Repeat("0a", 32), "mantle.journal=none")
	f.Add("MantleEngine/1", "mantle.policy=enforced", "mantle.lowDisk=-1")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		got := ParseFacts(CapabilitiesResponseV2{SupportedCapabilities: []string{a, b, c}})
		for _, s := range append(slices.Clone(got.Services), got.Version, got.OS, got.Arch, string(got.Policy), got.Audit.Hash) {
			if len(s) > maxCapability || strings.ContainsFunc(s, control) {
				t.Errorf("%q is taken", s)
			}
		}
		if diff := cmp.Diff(got, ParseFacts(got.Response())); diff != "" {
			t.Errorf("told again (-want +got):\n%s", diff)
		}
	})
}
