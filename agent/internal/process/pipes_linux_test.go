package process

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process/output"
)

// heard tells what is written to a stream, and takes its time until it is told to go on.
type heard struct {
	stream int
	to     chan<- said
	next   <-chan struct{}
}

type said struct {
	stream int
	text   string
}

func (h heard) Write(p []byte) (int, error) {
	h.to <- said{h.stream, string(p)}
	<-h.next
	return len(p), nil
}

func newPipes(t *testing.T) *Pipes {
	t.Helper()
	p, err := NewPipes(nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func say(t *testing.T, p *Pipes, s said) {
	t.Helper()
	if _, err := io.WriteString(p.write[s.stream], s.text); err != nil {
		t.Fatal(err)
	}
}

func TestWhatWasWrittenFirstIsReadFirst(t *testing.T) {
	p := newPipes(t)
	told, next := make(chan said), make(chan struct{})
	go p.Read([2]io.Writer{heard{0, told, next}, heard{1, told, next}}, func(int) {})
	want := func(round int, all ...said) {
		t.Helper()
		for _, s := range all {
			select {
			case got := <-told:
				if got != s {
					t.Fatalf("round %d: %+v is read before %+v", round, got, s)
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("round %d: %+v is not read", round, s)
			}
			next <- struct{}{}
		}
	}
	for round := range 4000 {
		one, two := said{round % 2, "a"}, said{1 - round%2, "b"}
		if round%4 < 2 { // while it waits
			say(t, p, one)
			say(t, p, two)
			want(round, one, two)
			continue
		}
		first := said{round / 4 % 2, "x"}
		say(t, p, first)
		if got := <-told; got != first { // and is busy with it
			t.Fatalf("round %d: %+v", round, got)
		}
		say(t, p, one)
		say(t, p, two)
		next <- struct{}{}
		want(round, one, two)
	}
	p.CloseWriters()
	<-p.Done()
}

// fast is a stream that is taken at once.
type fast struct {
	mu   sync.Mutex
	data bytes.Buffer
}

func (f *fast) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.data.Write(p)
}

func (f *fast) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.data.String()
}

func TestAStreamWithoutEndDoesNotHoldUpTheOther(t *testing.T) {
	p := newPipes(t)
	var bad fast
	go p.Read([2]io.Writer{io.Discard, &bad}, func(int) {})
	stop := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		for data := make([]byte, 1<<20); ; {
			select {
			case <-stop:
				return
			default:
				_, _ = p.write[0].Write(data)
			}
		}
	})
	until(t, "much was read", func() bool { return p.Received() > 10<<20 })
	say(t, p, said{1, "still here"})
	until(t, "the other is read", func() bool { return bad.text() == "still here" })
	close(stop)
	writing.Wait()
	p.CloseWriters()
	<-p.Done()
}

func TestNothingOfEitherStreamIsMissing(t *testing.T) {
	p := newPipes(t)
	var got [2]fast
	var ends []int
	go p.Read([2]io.Writer{&got[0], &got[1]}, func(stream int) { ends = append(ends, stream) })
	var want [2]string
	var writing sync.WaitGroup
	for i := range want {
		random := rand.New(rand.NewPCG(1, uint64(i))) // #nosec G404 -- sizes, not secrets
		var pieces []string
		for range 300 {
			size := 1 + random.IntN(100)
			if random.IntN(3) == 0 {
				size = []int{4096, pipeBuffer - 1, pipeBuffer, pipeBuffer + 1, 3 * pipeBuffer}[random.IntN(5)]
			}
			pieces = append(pieces, strings.Repeat(string(rune('a'+random.IntN(26))), size))
		}
		want[i] = strings.Join(pieces, "")
		writing.Go(func() {
			for _, piece := range pieces {
				_, _ = io.WriteString(p.write[i], piece)
			}
			_ = p.write[i].Close()
		})
	}
	writing.Wait()
	<-p.Done()
	for i := range want {
		if text := got[i].text(); text != want[i] {
			t.Errorf("stream %d: %d bytes, want %d", i, len(text), len(want[i]))
		}
	}
	slices.Sort(ends)
	if !slices.Equal(ends, []int{0, 1}) || p.Received() != int64(len(want[0])+len(want[1])) {
		t.Errorf("ends %v, %d bytes", ends, p.Received())
	}
}

// printed is the output of a ticket.
func printed(t *testing.T, dir string) (lines []string) {
	t.Helper()
	reader := output.NewReader(dir, 0)
	entries, _, err := reader.Read(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		lines = append(lines, []string{"out ", "err "}[e.Source]+e.Text)
	}
	return lines
}

func TestAStreamThatIsClosedEarlyEndsNothing(t *testing.T) {
	for body, want := range map[string][]string{
		`printf begun >&2; exec 2>&-; echo a; sleep 0.1; echo b; exit 3`: {"err begun", "out a", "out b"},
		`echo a; exec >&-; echo b >&2; sleep 0.1; echo c >&2; exit 3`:    {"out a", "err b", "err c"},
		`echo a; exec >&- 2>&-; sleep 0.1; exit 3`:                       {"out a"},
		`exec >&- 2>&-; exit 3`:                                          nil,
	} {
		dir := folder(t, body)
		end(t, launch(t, dir))
		if sight := look(t, dir); sight.State != Finished || sight.Result.ExitCode != 3 {
			t.Errorf("%s: %+v", body, sight)
		}
		if got := printed(t, dir); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

// The script ends at once, and something that it left has one of its streams: the ticket does not wait for it without end, and
// writing does not break it.
func TestABackgroundProcessMayKeepOneStream(t *testing.T) {
	for _, kept := range []string{">&2 2>/dev/null", "2>/dev/null"} {
		dir := t.TempDir()
		goOn, over := filepath.Join(dir, "go"), filepath.Join(dir, "over")
		if err := syscall.Mkfifo(goOn, 0o600); err != nil {
			t.Fatal(err)
		}
		body := `(read -r line < "` + goOn + `"; for i in {1..20000}; do echo "late $i"; done; echo "code $?" > "` + over + `") ` + kept + ` & echo a; echo b >&2; exit 4`
		spec := Spec{Path: "/bin/bash", Args: []string{"-c", body}, Dir: dir, Grace: time.Second, Abandon: 20 * time.Second, Drain: 200 * time.Millisecond}
		if err := WriteState(dir, CommandFile, map[string]any{"version": Version, "process": spec}, false); err != nil {
			t.Fatal(err)
		}
		supervisor := launch(t, dir)
		until(t, "the ticket is over", func() bool { return look(t, dir).State == Finished })
		if sight := look(t, dir); sight.Result.ExitCode != 4 {
			t.Errorf("%+v", sight)
		}
		if got := printed(t, dir); !slices.Equal(got, []string{"out a", "err b"}) {
			t.Errorf("%q", got)
		}
		if err := os.WriteFile(goOn, []byte("\n"), 0); err != nil {
			t.Fatal(err)
		}
		end(t, supervisor)
		if code, err := os.ReadFile(over); string(code) != "code 0\n" {
			t.Errorf("what was left ended with %q, %v", code, err)
		}
	}
}
