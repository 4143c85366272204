package logs

import (
	"os"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
)

func entries(texts ...string) []tentacle.ProcessOutput {
	var out []tentacle.ProcessOutput
	for _, text := range texts {
		out = append(out, tentacle.ProcessOutput{Text: text})
	}
	return out
}

func read(t *testing.T, s *Store) string {
	t.Helper()
	file, err := os.Open(s.newest("shop", "run", "web-1", "web/install", 0))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var text strings.Builder
	copyText(&text, file)
	return text.String()
}

func TestNothingIsKeptTwiceOrLost(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	first := s.Sink("shop", "run", "web-1", "web/install", 1)
	for _, step := range []struct {
		seq   int64
		texts []string
	}{{1, []string{"a", "b"}}, {2, []string{"b", "c"}}, {5, []string{"d"}}} {
		if err := first.Append(step.seq, entries(step.texts...)); err != nil {
			t.Fatal(err)
		}
	}
	path, _ := s.path("shop", "run", "web-1", "web/install", 1)
	torn, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = torn.WriteString("6\tO\t2026")
	_ = torn.Close()

	again, _ := Open(dir, 0)
	writer := again.Sink("shop", "run", "web-1", "web/install", 1)
	if err := writer.Append(1, entries("a", "b", "c", "", "d", "e")); err != nil {
		t.Fatal(err)
	}
	if got := read(t, again); got != "a\nb\nc\nd\ne\n" {
		t.Errorf("got %q", got)
	}
	other, _ := Open(dir, 0)
	for name, sink := range map[string]dispatch.LogSink{"one that wrote": writer, "one of another process": other.Sink("shop", "run", "web-1", "web/install", 1)} {
		if size := sink.Size(); size != 10 {
			t.Errorf("%s tells of %d bytes", name, size)
		}
	}
	if size := other.Sink("shop", "run", "web-2", "web/install", 1).Size(); size != 0 {
		t.Errorf("a log that is not there has %d bytes", size)
	}
}

func TestNamesThatLeaveTheFolder(t *testing.T) {
	s, _ := Open(t.TempDir(), 0)
	for _, bad := range []string{"..", "../x", "a/b/c", "", ".hidden", strings.Repeat("x", 300)} {
		if err := s.Sink(bad, "run", "t", "s", 1).Append(1, entries("x")); err == nil {
			t.Errorf("%q was taken as a namespace", bad)
		}
	}
}

func TestTheOldestRunsGo(t *testing.T) {
	s, _ := Open(t.TempDir(), 20_000)
	for _, run := range []types.UID{"one", "two", "three"} {
		if err := s.Sink("shop", run, "web-1", "step", 1).Append(1, entries(strings.Repeat("x", 700))); err != nil {
			t.Fatal(err)
		}
	}
	if s.Kept("shop", "one", "web-1", "step", 1) {
		t.Error("the oldest run is still there")
	}
	if !s.Kept("shop", "three", "web-1", "step", 1) {
		t.Error("the newest run is gone")
	}
}

// A stranger's Tentacle may send entries of any length: they are kept whole, and what a restarted operator reads again is
// kept once, also where the first one ended within a line.
func TestALongLineIsKeptWholeAndOnce(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("ä", 300<<10)
	pieces := []tentacle.ProcessOutput{{Text: long[:maxText+2], Continues: true}, {Text: long[maxText+2:], Continues: true}, {Text: "end"}}
	for n := range 3 {
		s, err := Open(dir, 0)
		if err != nil {
			t.Fatal(err)
		}
		sink := s.Sink("shop", "run", "web-1", "web/install", 1)
		if err := sink.Append(1, entries("first", long)); err != nil {
			t.Fatal(err)
		}
		for _, piece := range pieces[:n+1] {
			if err := sink.Append(3, []tentacle.ProcessOutput{piece}); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, _ := Open(dir, 0)
	want := "first\n" + long + "\n" + long + "end\n"
	if got := read(t, s); got != want {
		t.Errorf("%d bytes, not %d", len(got), len(want))
	}
	if size := s.Sink("shop", "run", "web-1", "web/install", 1).Size(); size != int64(len(want)) {
		t.Errorf("it tells of %d bytes", size)
	}
}

func TestALogThatIsTooLargeStaysCut(t *testing.T) {
	dir := t.TempDir()
	line := strings.Repeat("x", maxText)
	seq, size := int64(1), int64(0)
	for range 2 { // also after a restart
		s, _ := Open(dir, 0)
		k := s.Sink("shop", "run", "web-1", "web/install", 1)
		for range maxAction/maxText + 2 {
			if err := k.Append(seq, entries(line)); err != nil {
				t.Fatal(err)
			}
			seq++
		}
		if again := k.Size(); size != 0 && again != size {
			t.Errorf("%d bytes are told, and %d after a restart", size, again)
		}
		size = k.Size()
	}
	s, _ := Open(dir, 0)
	path, _ := s.path("shop", "run", "web-1", "web/install", 1)
	if info, err := os.Stat(path); err != nil || info.Size() > maxAction+1<<10 {
		t.Errorf("%v: %v", info, err)
	}
	got := read(t, s)
	if size != int64(len(got)) {
		t.Errorf("%d bytes are told and %d are given", size, len(got))
	}
	if strings.Count(got, notice) != 1 || !strings.HasSuffix(got, notice+"\n") {
		t.Error("it does not end by saying that it was cut")
	}
}

func TestALiveLogSurvivesPruning(t *testing.T) {
	s, _ := Open(t.TempDir(), 0)
	k := s.Sink("shop", "run", "web-1", "web/install", 1)
	if err := k.Append(1, entries("before")); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete("shop", "run"); err != nil {
		t.Fatal(err)
	}
	if err := k.Append(2, entries("after")); err != nil || read(t, s) != "after\n" || k.Size() != 6 {
		t.Errorf("%v, %q, told as %d bytes", err, read(t, s), k.Size())
	}
}
