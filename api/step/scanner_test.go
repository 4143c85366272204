package step

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/api/tentacle"
)

func mustLine(t *testing.T) func(string, error) string {
	return func(line string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return line
	}
}

func TestScannerReadsAStep(t *testing.T) {
	s := NewScanner("n1")
	want := Result{ExitCode: 3, Reason: ReasonExitCode, Tail: "boom", Seconds: 1.5, Warnings: []string{"w"}}
	lines := []string{
		"hello", "##octopus[stdout-warning]", "careful", "##octopus[stdout-default]", "##octopus[not a message", "##mantle[nor this",
		mustLine(t)(FormatOutput("n1", "path", "it's [x]\n2")),
		mustLine(t)(FormatOutput("other", "path", "forged")),
		mustLine(t)(FormatResult("n1", want)),
		mustLine(t)(FormatResult("other", Result{})),
	}
	var shown []string
	for _, line := range lines {
		if as, show := s.Line(tentacle.StdOut, line); show && as == tentacle.StdOut {
			shown = append(shown, line)
		}
	}
	if _, show := s.Line(tentacle.StdErr, lines[8]); !show {
		t.Error("a message on the error stream is believed")
	}
	if diff := cmp.Diff([]string{"hello", "careful", lines[4], lines[5], lines[7], lines[9]}, shown); diff != "" {
		t.Errorf("shown lines:\n%s", diff)
	}
	got, ok := s.Result()
	want.Outputs = map[string]string{"path": "it's [x]\n2"}
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("result:\n%s", diff)
	}
}

// What an Octopus Tentacle writes around a script (halibut.md section 6.4).
func TestTheLaunchersLinesAreNotTheSteps(t *testing.T) {
	type line struct {
		source tentacle.ProcessOutputSource
		text   string
	}
	s := NewScanner("n")
	var seen []line
	for _, l := range []line{
		{tentacle.StdOut, "##octopus[stdout-verbose]"}, {tentacle.StdOut, "Acquiring isolation mutex"}, {tentacle.StdErr, "own"},
		{tentacle.StdOut, "##octopus[stdout-default]"}, {tentacle.Debug, "Executable directory is /bin"}, {tentacle.StdOut, "own"},
		{tentacle.StdOut, "##octopus[stdout-wait]"}, {tentacle.StdOut, "busy"}, {tentacle.StdOut, "##octopus[stdout-warning]"}, {tentacle.StdOut, "careful"},
	} {
		if as, show := s.Line(l.source, l.text); show {
			seen = append(seen, line{as, l.text})
		}
	}
	want := []line{{tentacle.Debug, "Acquiring isolation mutex"}, {tentacle.StdErr, "own"}, {tentacle.Debug, "Executable directory is /bin"},
		{tentacle.StdOut, "own"}, {tentacle.Debug, "busy"}, {tentacle.StdOut, "careful"}}
	if diff := cmp.Diff(want, seen, cmp.AllowUnexported(line{})); diff != "" {
		t.Error(diff)
	}
}

func TestOutputsAreWrittenAsOctopusDoes(t *testing.T) {
	line := mustLine(t)(FormatOutput("n", "A", "B"))
	if !strings.HasPrefix(line, "##octopus[setVariable name='QQ==' value='Qg=='") {
		t.Error(line)
	}
}

func TestWithoutAResultTheStepIsLost(t *testing.T) {
	s := NewScanner("n1")
	s.Line(tentacle.StdOut, "##mantle[result nonce='bjI=' body='e30=']")
	if r, ok := s.Result(); ok {
		t.Errorf("there is a result: %+v", r)
	}
	if _, ok := s.Inventory(); ok {
		t.Error("there is an inventory")
	}
}

func TestScannerKeepsBounds(t *testing.T) {
	s := NewScanner("n")
	for i := range 500 {
		s.Line(tentacle.StdOut, mustLine(t)(FormatOutput("n", fmt.Sprint("o", i), strings.Repeat("x", 4000))))
		s.Line(tentacle.StdOut, fmt.Sprintf("##mantle[content nonce='bg==' body='%s']", "Int9"))
	}
	s.Line(tentacle.StdOut, message{"result", []attribute{{"nonce", "n"},
		{"body", `{"tail":"` + strings.Repeat("é", 4000) + `","reason":"no reason","warnings":["` + strings.Repeat("w", 9000) + `"]}`}}}.format(mantlePrefix))
	r, ok := s.Result()
	if !ok || !r.OutputsCut || len(r.Outputs) == 0 || len(r.Outputs) > 16 || len(r.Tail) > MaxTail ||
		strings.Trim(r.Tail, "é") != "" || r.Reason != ReasonEngineFailed || len(r.Warnings[0]) > MaxWarning {
		t.Errorf("cut %v, %d outputs, tail of %d, reason %q", r.OutputsCut, len(r.Outputs), len(r.Tail), r.Reason)
	}
}

func TestInventoryTravelsInRows(t *testing.T) {
	want := Inventory{FreeBytes: 1 << 40, OS: "linux", Arch: "arm64"}
	for i := range MaxInstalled {
		want.Installed = append(want.Installed, Installed{Namespace: "shop", Environment: "production", Project: fmt.Sprint("p", i),
			Release: "1.0.0", Snapshot: "s", Run: "r", RunUID: "u", Phase: Succeeded, Time: time.Unix(int64(i), 5).UTC()})
	}
	for i := range MaxContents {
		want.Contents = append(want.Contents, fmt.Sprintf("%064x", i))
	}
	lines, err := FormatInventory("n", want)
	if err != nil {
		t.Fatal(err)
	}
	s := NewScanner("n")
	for _, line := range lines {
		if len(line) > MaxLine {
			t.Fatalf("a line has %d bytes", len(line))
		}
		if _, show := s.Line(tentacle.StdOut, line); show {
			t.Fatalf("a row is shown: %s", line)
		}
	}
	got, ok := s.Inventory()
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Error(diff)
	}
}

func FuzzScanner(f *testing.F) {
	out, _ := FormatOutput("n", "a", "b")
	res, _ := FormatResult("n", Result{Reason: ReasonTimedOut})
	rows, _ := FormatInventory("n", Inventory{Installed: []Installed{{Namespace: "a", Environment: "b", Project: "c", Phase: Succeeded}}, Contents: []string{sum}})
	f.Add(strings.Join(append([]string{out, res, "x"}, rows...), "\n"))
	f.Add("##octopus[a b='c']\n##octopus[]\n##mantle[result nonce='bg==']")
	f.Fuzz(func(t *testing.T, text string) {
		s := NewScanner("n")
		for line := range strings.SplitSeq(text, "\n") {
			if as, show := s.Line(tentacle.StdOut, line); as == tentacle.StdErr || !show && !strings.HasPrefix(line, "##") {
				t.Errorf("%q is shown as %d (%v)", line, as, show)
			}
		}
		if r, ok := s.Result(); ok && (len(r.Tail) > MaxTail || len(r.Warnings) > MaxWarnings || len(r.Outputs) > MaxOutputNames+2) {
			t.Errorf("a result over its bounds: %+v", r)
		}
		if inv, ok := s.Inventory(); ok && (len(inv.Installed) > MaxInstalled || len(inv.Contents) > MaxContents) {
			t.Error("an inventory over its bounds")
		}
	})
}

// A service message of Octopus's that has no effect is shown, but nothing that nobody could mask.
func TestAMessageWithoutEffectIsShownWithoutItsValues(t *testing.T) {
	const line = "##octopus[setVariable name='YQ==' value='c2VjcmV0']"
	s := NewScanner("n")
	if _, show := s.Line(tentacle.StdOut, line); !show {
		t.Error("it vanishes")
	}
	if got := Redacted(line); got != "##octopus[setVariable name='…' value='…']" {
		t.Errorf("shown is %q", got)
	}
	name, text, ok := OctopusMessage(line)
	if !ok || name != "setVariable" || text != `##octopus[setVariable name="a" value="secret"]` {
		t.Errorf("%q, %q, %v", name, text, ok)
	}
	for _, other := range []string{"##octopus[stdout-verbose]", "##octopus[not one", "hello", text} {
		if _, _, ok := OctopusMessage(other); ok || Redacted(other) != other {
			t.Errorf("%q is taken for one", other)
		}
	}
}
