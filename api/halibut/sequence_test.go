package halibut

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lines are on the wire as the slice of the same name; see linesHeld.
type lines struct {
	Before string
	Lines  Sequence
	After  int32
}

func (lines) HalibutType() string { return "Test.Lines, Test" }

type linesHeld struct {
	Before string
	Lines  []textLine
	After  int32
}

func (linesHeld) HalibutType() string { return "Test.Lines, Test" }

type textLine struct {
	At   time.Time
	Text string
}

func (l *textLine) HalibutFields(f *Fields) {
	f.Time("At", &l.At)
	f.Text("Text", &l.Text)
}

func made(all []textLine) Sequence {
	s := Sequence{Count: len(all), Empty: &textLine{}, Each: func(yield func(Record) error) error {
		for i := range all {
			if err := yield(&all[i]); err != nil {
				return err
			}
		}
		return nil
	}}
	for _, l := range all {
		s.Text += int64(len(strings.ToValidUTF8(l.Text, "\ufffd")))
	}
	return s
}

func numbered(n int) []textLine {
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]textLine, n)
	for i := range all {
		all[i] = textLine{time.UnixMilli(int64(i)).UTC(), fmt.Sprintf("%d %s %x", i, strings.Repeat("x", i%200), random.Uint64())}
	}
	return all
}

// sequences serves lists of any length that are made while they are written.
func sequences(t *testing.T, lists map[string]Sequence) *listener {
	t.Helper()
	return start(t, func(c *ServerConfig) {
		c.Services = append(c.Services, Service{Name: "ILines", Methods: []Method{
			Method1("Get", func(_ context.Context, name string) (lines, error) { return lines{"before", lists[name], 7}, nil }),
		}})
	})
}

func TestAListThatIsMadeWhileItIsWrittenArrives(t *testing.T) {
	lists, want := map[string]Sequence{}, map[string][]textLine{}
	for _, n := range []int{0, 1, 100, 500, 900, 1000, 1100, 2000, 30_000} { // around what is encoded at once, and far beyond
		want[fmt.Sprint(n)] = numbered(n)
		lists[fmt.Sprint(n)] = made(want[fmt.Sprint(n)])
	}
	want["long"] = []textLine{{Text: strings.Repeat("long ", 1<<20)}, {Text: "short"}}
	lists["long"] = made(want["long"])
	lists["none"] = Sequence{}
	want["odd"] = append(numbered(2000), textLine{Text: "\ufffd"})
	lists["odd"] = made(append(numbered(2000), textLine{Text: "\xff\xfe\xfd"}))
	l := sequences(t, lists)
	c := l.dial(t, nil)
	for name := range lists {
		var got linesHeld
		if err := c.Call(t.Context(), l.endpoint, Call{Service: "ILines", Method: "Get", Params: []any{name}, Result: &got}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(linesHeld{"before", append([]textLine{}, want[name]...), 7}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%.2000s", name, diff)
		}
	}
}

// TestAListIsNeverInMemoryWhole sends 100 MB to a peer that throws them away.
func TestAListIsNeverInMemoryWhole(t *testing.T) {
	const n = 100_000
	text := strings.Repeat("0123456789", 100)
	var most atomic.Uint64
	l := sequences(t, map[string]Sequence{"large": {Count: n, Empty: &textLine{}, Text: n * int64(len(text)), Each: func(yield func(Record) error) error {
		var m runtime.MemStats
		for i := range n {
			if i%(n/10) == 0 {
				runtime.GC()
				runtime.ReadMemStats(&m)
				most.Store(max(most.Load(), m.HeapAlloc))
			}
			if err := yield(&textLine{Text: text}); err != nil {
				return err
			}
		}
		return nil
	}}})
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	raw := l.raw(t, &l.client)
	_, _ = raw.Write([]byte(greeting + stored(compose([]member{{"Message", []member{
		{"$type", requestType}, {"id", "x"}, {"service", "ILines"}, {"method", "Get"}, {"params", list{"large"}},
	}}})) + "END\r\n"))
	if got := ended(t, "who hears it", raw); len(got) < 100_000 {
		t.Errorf("only %d bytes came", len(got))
	}
	if cost := int64(most.Load()) - int64(before.HeapAlloc); cost > 16<<20 {
		t.Errorf("%d MB are held", cost>>20)
	}
}

func TestAListOfAnotherSizeEndsTheConnection(t *testing.T) {
	short, long := made(numbered(3000)), made(numbered(3000))
	short.Each, long.Each = made(numbered(2999)).Each, made(numbered(3001)).Each
	l := sequences(t, map[string]Sequence{
		"short": short, "long": long,
		"fails": {Each: func(func(Record) error) error { return errors.New("the disk is gone") }},
	})
	c := l.dial(t, nil)
	for _, name := range []string{"short", "long"} {
		err := c.Call(t.Context(), l.endpoint, Call{Service: "ILines", Method: "Get", Params: []any{name}, Result: &linesHeld{}})
		var transfer *TransferError
		if !errors.As(err, &transfer) {
			t.Errorf("a list that is too %s: %v", name, err)
		}
	}
	err := c.Call(t.Context(), l.endpoint, Call{Service: "ILines", Method: "Get", Params: []any{"fails"}, Result: &linesHeld{}})
	answer, ok := errors.AsType[*ServerError](err)
	if !ok || !answer.Retryable() || !strings.Contains(answer.Message, "the disk is gone") {
		t.Errorf("a list that cannot be made: %v", err)
	}
}
