package audit

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// rig is a folder with a log.
type rig struct {
	t   testing.TB
	dir string
}

func newRig(t testing.TB) *rig { return &rig{t: t, dir: filepath.Join(t.TempDir(), "audit")} }

func (r *rig) open(maxSize int64, keep int) *Log {
	r.t.Helper()
	l, err := open(r.dir, slog.New(slog.DiscardHandler), maxSize, keep)
	if err != nil {
		r.t.Fatal(err)
	}
	return l
}

func (r *rig) close(l *Log) {
	r.t.Helper()
	if err := l.Close(); err != nil {
		r.t.Fatal(err)
	}
}

// write opens the log, appends so many lines and closes it.
func (r *rig) write(count int) Head {
	r.t.Helper()
	l := r.open(defaultSize, defaultKeep)
	for i := range count {
		r.append(l, fmt.Sprintf("ticket-%d", i))
	}
	r.close(l)
	return l.Head()
}

func (r *rig) append(l *Log, ticket string) {
	r.t.Helper()
	if err := l.Append(Entry{What: Start, Decision: Allowed, Ticket: ticket}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) read(name string) string {
	r.t.Helper()
	data, err := os.ReadFile(r.path(name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(data)
}

func (r *rig) lines() []string {
	all := strings.SplitAfter(r.read(currentFile), "\n")
	return all[:len(all)-1]
}

func (r *rig) put(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(r.path(name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) verify(head *Head) Report {
	r.t.Helper()
	report, err := Verify(r.dir, head)
	if err != nil {
		r.t.Fatal(err)
	}
	return report
}

// sound demands that the log holds, and returns the end of its chain.
func (r *rig) sound() Report {
	r.t.Helper()
	report := r.verify(nil)
	if len(report.Findings) > 0 {
		r.t.Fatalf("the log does not hold: %+v", report.Findings)
	}
	return report
}

func TestALogGoesOnWhereItEnded(t *testing.T) {
	r := newRig(t)
	first := r.write(3)
	second := r.write(2)
	if first.Count != 3 || second.Count != 5 {
		t.Errorf("heads %v and %v", first, second)
	}
	if got := r.sound(); got.Head != second || got.First != 1 {
		t.Errorf("verified %+v, want head %v", got, second)
	}
	if kept, err := ReadHead(r.dir); err != nil || kept != second {
		t.Errorf("kept %v, %v", kept, err)
	}
	for _, head := range []Head{first, second} {
		if got := r.verify(&head); len(got.Findings) > 0 {
			t.Errorf("head %v: %+v", head, got.Findings)
		}
	}
}

func TestWritersOfOneLogFormOneChain(t *testing.T) {
	r := newRig(t)
	var all sync.WaitGroup
	const writers, lines = 4, 25
	for w := range writers {
		all.Go(func() {
			l := r.open(1<<12, 1000) // several files
			defer r.close(l)
			for i := range lines {
				if i%2 == 0 {
					l.Note(Entry{What: Connection, Count: 1})
				} else if err := l.Append(Entry{What: Start, Ticket: fmt.Sprintf("%d-%d", w, i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	got := r.sound()
	if got.Head.Count < writers*lines || got.Files < 3 || len(got.Notes) > 0 {
		t.Errorf("%+v", got)
	}
	if kept, err := ReadHead(r.dir); err != nil || kept != got.Head {
		t.Errorf("the head is %v (%v), the log ends at %v", kept, err, got.Head)
	}
}

func TestRotationKeepsSomeFilesAndSaysWhatItDeletes(t *testing.T) {
	r := newRig(t)
	l := r.open(2<<10, 3)
	for i := range 200 {
		r.append(l, fmt.Sprintf("ticket-%d", i))
	}
	head := l.Head()
	r.close(l)
	got := r.sound()
	names, err := list(r.dir)
	if err != nil || len(names) != 4 || got.Files != 4 {
		t.Errorf("files %v, %v", names, err)
	}
	if got.First == 1 || got.Head != head {
		t.Errorf("%+v", got)
	}
	opening, err := firstLine(r.path(currentFile))
	if err != nil || opening.What != Opened || opening.Head != opening.before().String() {
		t.Errorf("a new file begins with %+v, %v", opening, err)
	}
	if err := os.Remove(r.path(names[0])); err != nil {
		t.Fatal(err)
	}
	if got := r.verify(nil); len(got.Findings) != 1 || !strings.Contains(got.Findings[0].Text, "no line says") {
		t.Errorf("a file that somebody deleted: %+v", got.Findings)
	}
}

func TestATornLineIsSetAsideAndNoted(t *testing.T) {
	for name, rest := range map[string]string{
		"half a line":           `{"n":4,"time":"2026-01-01T00:00`,
		"zeros":                 strings.Repeat("\x00", 40_000),
		"half and an end":       "{\"n\":4\n",
		"a line, never ended":   "",
		"another number, whole": `{"n":9,"time":"2026-01-01T00:00:00Z","what":"start","prev":"` + strings.Repeat("0", 64) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.write(3)
			text := r.read(currentFile)
			if rest == "" {
				r.put(currentFile, strings.TrimSuffix(text, "\n"))
			} else {
				r.put(currentFile, text+rest)
			}
			if got := r.verify(nil); rest != "" && len(got.Findings) > 0 {
				t.Errorf("before it is set aside: %+v", got.Findings)
			}
			head := r.write(1)
			got := r.sound()
			if got.Head != head || (len(got.Notes) == 1) != (rest != "") {
				t.Errorf("%+v", got)
			}
			if after := r.read(currentFile); !strings.HasPrefix(after, text) || !strings.Contains(after, rest) {
				t.Error("what was there is no longer there")
			}
		})
	}
}

func TestAHeadThatIsBehindIsCaughtUp(t *testing.T) {
	r := newRig(t)
	r.write(2)
	old := r.read(headFile)
	r.write(2)
	r.put(headFile, old)
	r.sound()
	l := r.open(defaultSize, defaultKeep)
	defer r.close(l)
	if kept, err := ReadHead(r.dir); err != nil || kept.Count != 4 || l.Head() != kept {
		t.Errorf("the head is %v (%v) and the log says %v", kept, err, l.Head())
	}
	r.sound()
}

func TestAHalfWrittenHeadIsNotRead(t *testing.T) {
	r := newRig(t)
	r.write(2)
	whole := r.read(headFile)
	for cut := 1; cut < headPlace; cut++ {
		r.put(headFile, whole[:headPlace]+"9"+whole[headPlace+1:headPlace+cut]+whole[min(2*headPlace, len(whole)):])
		if kept, err := ReadHead(r.dir); err != nil || kept.Count > 2 {
			t.Fatalf("cut at %d: %v, %v", cut, kept, err)
		}
	}
}

// What is found missing is said in the log itself, so that the next writer does not hide it.
func TestACutTailStaysFoundAfterTheNextStart(t *testing.T) {
	r := newRig(t)
	r.write(5)
	r.put(currentFile, strings.Join(r.lines()[:3], ""))
	for range 2 {
		r.write(1)
		got := r.verify(nil)
		if len(got.Findings) != 1 || !strings.Contains(got.Findings[0].Text, "the log had come to 5:") || got.Findings[0].Line != 4 {
			t.Errorf("%+v", got.Findings)
		}
	}
}

func TestALogThatIsChangedWhileItIsOpenIsNoticed(t *testing.T) {
	for name, change := range map[string]func(r *rig){
		"cut":     func(r *rig) { r.put(currentFile, r.lines()[0]) },
		"deleted": func(r *rig) { _ = os.Remove(r.path(currentFile)) },
		"replaced": func(r *rig) {
			text := r.lines()[0]
			_ = os.Remove(r.path(currentFile))
			r.put(currentFile, text)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			l := r.open(defaultSize, defaultKeep)
			for range 3 {
				r.append(l, "before")
			}
			change(r)
			r.append(l, "after")
			head := l.Head()
			r.close(l)
			got := r.verify(nil)
			if len(got.Findings) != 1 || !strings.Contains(got.Findings[0].Text, "the log had come to 3:") {
				t.Errorf("%+v", got.Findings)
			}
			if kept, err := ReadHead(r.dir); err != nil || kept != head || got.Head != head {
				t.Errorf("head %v (%v), want %v", kept, err, head)
			}
		})
	}
}

func TestLinesThatCannotBeWrittenAreCounted(t *testing.T) {
	r := newRig(t)
	l := r.open(defaultSize, defaultKeep)
	r.append(l, "before")
	whole := l.file
	l.file, _ = os.Open(r.path(currentFile)) // cannot be written to
	for range 3 {
		if err := l.Append(Entry{What: Start}); err == nil {
			t.Fatal("what was not written is said to be")
		}
		l.size = int64(len(r.read(currentFile)))
	}
	l.Note(Entry{What: Connection})
	l.file.Close()
	l.file = whole
	r.append(l, "after")
	r.close(l)
	got := r.sound()
	if len(got.Notes) != 1 || !strings.HasPrefix(got.Notes[0].Text, "4 lines") {
		t.Errorf("%+v", got)
	}
}
