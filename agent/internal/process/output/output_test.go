package output

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func newWriter(t *testing.T, limits Limits) (*Writer, string) {
	t.Helper()
	dir := t.TempDir()
	w, err := OpenWriter(dir, limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w, dir
}

// readAll reads from after to the end in pages of limit bytes.
func readAll(t *testing.T, dir string, after, limit int64) []Entry {
	t.Helper()
	r := NewReader(dir, after)
	var all []Entry
	for range 1_000_000 {
		entries, more, err := r.Read(limit)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, entries...)
		if !more {
			return all
		}
	}
	t.Fatal("reading never ends")
	return nil
}

func texts(entries []Entry) []string {
	var all []string
	for _, e := range entries {
		all = append(all, e.Text)
	}
	return all
}

func TestLinesEndAsDotNetEndsThem(t *testing.T) {
	tests := map[string]struct {
		bytes string
		want  []string
	}{
		"line feeds":                              {"a\nb\n", []string{"a", "b"}},
		"carriage return and line feed":           {"a\r\nb\r\n", []string{"a", "b"}},
		"a lone carriage return ends a line":      {"10%\r20%\rdone\n", []string{"10%", "20%", "done"}},
		"empty lines are entries":                 {"\n\r\n\r\r\n", []string{"", "", "", ""}},
		"an unterminated last line is a line":     {"a\nb", []string{"a", "b"}},
		"nothing is nothing":                      {"", nil},
		"invalid bytes are replaced, not dropped": {"a\xff\xfeb\nc\x80\x80\n", []string{"a\ufffd\ufffdb", "c\ufffd\ufffd"}},
		"half a rune is replaced once":            {"a\xe2\x82b\xf0\x9f\x98\nc\xe2\x82\r", []string{"a\ufffdb\ufffd", "c\ufffd"}},
		"what no rune begins with, byte by byte":  {"\xed\xa0\x80|\xc0\xaf|\xf4\x90\x80\x80\n", []string{"\ufffd\ufffd\ufffd|\ufffd\ufffd|\ufffd\ufffd\ufffd\ufffd"}},
		"runes of every length":                   {"é€😀\n", []string{"é€😀"}},
		"a rune cut off by the end":               {"x\xf0\x9f", []string{"x\ufffd"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for piece := 1; piece <= max(len(test.bytes), 1); piece++ {
				w, dir := newWriter(t, Limits{})
				s := NewStream(w, StdOut)
				for rest := []byte(test.bytes); len(rest) > 0; {
					n := min(piece, len(rest))
					if got, err := s.Write(rest[:n]); got != n || err != nil {
						t.Fatalf("Write: %d, %v", got, err)
					}
					rest = rest[n:]
				}
				s.Close()
				if diff := cmp.Diff(test.want, texts(readAll(t, dir, 0, 1<<20))); diff != "" {
					t.Errorf("in pieces of %d bytes (-want +got):\n%s", piece, diff)
				}
			}
		})
	}
}

func TestAVeryLongLineIsSplitInBoundedMemory(t *testing.T) {
	w, dir := newWriter(t, Limits{})
	s := NewStream(w, StdOut)
	chunk := bytes.Repeat([]byte("€"), 10_000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 3334 { // 100 MB
		_, _ = s.Write(chunk)
	}
	runtime.ReadMemStats(&after)
	s.Close()
	w.Close()
	if after.HeapSys > before.HeapSys+32<<20 {
		t.Errorf("the heap grew by %d MB", (after.HeapSys-before.HeapSys)>>20)
	}
	r := NewReader(dir, 0)
	entries, _, err := r.Read(40 << 20)
	if err != nil || len(entries) < 9 {
		t.Fatalf("reading: %d entries, %v", len(entries), err)
	}
	for _, e := range entries {
		if len(e.Text) > MaxText || len(e.Text) < MaxText-utf8.UTFMax || !utf8.ValidString(e.Text) {
			t.Fatalf("entry %d has %d bytes, valid %v", e.Number, len(e.Text), utf8.ValidString(e.Text))
		}
	}
	if size := folderSize(t, dir); size > 59<<20 {
		t.Errorf("%d MB are kept on disk, want at most 50 and two long lines", size>>20)
	}
}

func TestALongLineIsOneEntry(t *testing.T) {
	w, dir := newWriter(t, Limits{})
	s := NewStream(w, StdOut)
	long := strings.Repeat("0123456789abcdef", 60_000) // 960,000 bytes, as a service message with a large value has
	_, _ = s.Write([]byte("before\n" + long + "\nafter\n"))
	s.Close()
	if diff := cmp.Diff([]string{"before", long, "after"}, texts(readAll(t, dir, 0, 1<<20))); diff != "" {
		t.Errorf("(-want +got):\n%.2000s", diff)
	}
}

func TestWhatIsKeptIsCountedInBytesOfText(t *testing.T) {
	for text, lines := range map[string]int{"123456": 1_000_000, "": 1_000_000, "an ordinary line of a log, with some words": 600_000} {
		w, dir := newWriter(t, Limits{})
		s := NewStream(w, StdOut)
		chunk := []byte(strings.Repeat(text+"\n", 1000))
		for range lines / 1000 {
			_, _ = s.Write(chunk)
		}
		s.Close()
		w.Close()
		r, n := NewReader(dir, 0), 0
		for more := true; more; {
			var entries []Entry
			var err error
			if entries, more, err = r.Read(4 << 20); err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if e.Text != text {
					t.Fatalf("of %d lines %q, one is %q", lines, text, e.Text)
				}
			}
			n += len(entries)
		}
		if n != lines {
			t.Errorf("of %d lines %q, %d MB, %d are kept", lines, text, lines*(len(text)+1)/1_000_000, n)
		}
		if size := folderSize(t, dir); size > 5*50<<20 {
			t.Errorf("lines %q take %d MB of the disk", text, size>>20)
		}
	}
}

// TestAPageIsReadWhateverBecomesOfItsFiles counts lines first and reads them afterwards, when a writer has removed some of them.
func TestAPageIsReadWhateverBecomesOfItsFiles(t *testing.T) {
	w, dir := newWriter(t, small)
	fill(w, 1, 40)
	r := NewReader(dir, 0)
	want := readAll(t, dir, 0, 1<<20)
	p, more, err := r.ReadLater(1 << 20)
	if err != nil || more || p.Count != len(want) {
		t.Fatalf("%+v, %v, %v", p, more, err)
	}
	defer p.Close()
	fill(w, 41, 1000)
	for range 2 {
		var got []Entry
		if err := p.Each(func(e Entry) error { got = append(got, e); return nil }); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(texts(want), texts(got)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	next, more, err := r.ReadLater(200)
	if err != nil || !more || next.Count == 0 || next.Size > 200+Overhead {
		t.Errorf("%+v, %v, %v", next, more, err)
	}
	next.Close()
}

func folderSize(t *testing.T, dir string) (size int64) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	return size
}

// small keeps about ten entries of ten bytes at the beginning, and about five at the end.
var small = Limits{Segment: segmentHeader + 3*(entryHeader+10), Head: 10 * 11, Tail: 5 * 11}

func fill(w *Writer, from, to int) {
	for i := from; i <= to; i++ {
		w.Line(StdOut, fmt.Sprintf("line %05d", i))
	}
}

func TestOfALargeOutputBeginningAndEndAreKept(t *testing.T) {
	w, dir := newWriter(t, small)
	fill(w, 1, 1000)
	w.Close()
	entries := readAll(t, dir, 0, 1<<20)
	cut := -1
	for i, e := range entries {
		if i > 0 && e.Number <= entries[i-1].Number {
			t.Errorf("number %d after %d", e.Number, entries[i-1].Number)
		}
		if e.Source == StdErr {
			if cut >= 0 {
				t.Errorf("two entries say what is missing: %q", e.Text)
			}
			cut = i
			continue
		}
		if want := fmt.Sprintf("line %05d", e.Number); e.Text != want {
			t.Errorf("entry %d is %q", e.Number, e.Text)
		}
	}
	if cut < 10 || len(entries)-cut-1 < 5 || len(entries) > 25 {
		t.Fatalf("kept %d at the beginning and %d at the end", cut, len(entries)-cut-1)
	}
	missing := entries[cut+1].Number - 1 - entries[cut-1].Number
	if want := fmt.Sprintf("[%d lines", missing); !strings.HasPrefix(entries[cut].Text, want) {
		t.Errorf("%q, want it to begin with %q", entries[cut].Text, want)
	}
	if last := entries[len(entries)-1].Number; last != 1000 {
		t.Errorf("the last number is %d", last)
	}
	for after := int64(0); after <= 1001; after++ { // the same range may be asked for again, from anywhere
		var want []Entry
		for _, e := range entries {
			if e.Number > after {
				want = append(want, e)
			}
		}
		if diff := cmp.Diff(texts(want), texts(readAll(t, dir, after, 200))); diff != "" {
			t.Fatalf("after %d (-want +got):\n%s", after, diff)
		}
	}
}

func TestAReaderFollowsAWriter(t *testing.T) {
	w, dir := newWriter(t, Limits{Segment: 500})
	r := NewReader(dir, 0)
	var got []string
	for i := 1; i <= 100; i++ {
		fill(w, i, i)
		entries, more, err := r.Read(1 << 20)
		if err != nil || more {
			t.Fatalf("Read: more %v, %v", more, err)
		}
		got = append(got, texts(entries)...)
		if len(got) != i || got[i-1] != fmt.Sprintf("line %05d", i) {
			t.Fatalf("after %d lines the reader has %d", i, len(got))
		}
	}
	fill(w, 101, 101)
	if r.Last() != 100 {
		t.Errorf("Last is %d, want 100", r.Last())
	}
}

func TestASlowReaderIsToldWhatItMissed(t *testing.T) {
	w, dir := newWriter(t, small)
	r := NewReader(dir, 0)
	fill(w, 1, 20)
	if _, _, err := r.Read(1 << 20); err != nil {
		t.Fatal(err)
	}
	fill(w, 21, 500)
	entries, _, err := r.Read(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	if entries[0].Source != StdErr || entries[0].Number != entries[1].Number-1 || entries[len(entries)-1].Number != 500 {
		t.Errorf("got %v", entries)
	}
}

func TestAnotherWriterGoesOnWithTheNumbers(t *testing.T) {
	w, dir := newWriter(t, Limits{})
	fill(w, 1, 3)
	w.Close()
	segment := filepath.Join(dir, segmentName(1))
	content, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(segment, append(content, content[segmentHeader:segmentHeader+40]...), 0o600); err != nil {
		t.Fatal(err) // a torn entry at the end
	}
	second, err := OpenWriter(dir, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	fill(second, 4, 6)
	var numbers []int64
	for _, e := range readAll(t, dir, 0, 1<<20) {
		numbers = append(numbers, e.Number)
	}
	if diff := cmp.Diff([]int64{1, 2, 3, 4, 5, 6}, numbers); diff != "" {
		t.Error(diff)
	}
	if end, err := End(dir); end != 6 || err != nil {
		t.Errorf("End: %d, %v", end, err)
	}
}

func TestLinesThatCouldNotBeWrittenAreMissedAloud(t *testing.T) {
	w, dir := newWriter(t, Limits{})
	fill(w, 1, 2)
	w.mu.Lock()
	broken, err := os.Open(w.file.Name()) // a file that refuses to be written, as a full disk does
	if err != nil {
		t.Fatal(err)
	}
	whole := w.file
	w.file = broken
	w.mu.Unlock()
	fill(w, 3, 4) // the first is lost, the second begins a new segment
	_ = whole.Close()
	_ = broken.Close()
	fill(w, 5, 6)
	if w.Last() != 6 {
		t.Errorf("Last is %d", w.Last())
	}
	var got []string
	for _, e := range readAll(t, dir, 0, 1<<20) {
		got = append(got, e.Text[:10])
	}
	want := []string{"line 00001", "line 00002", "[1 lines of", "line 00004", "line 00005", "line 00006"}
	want[2] = want[2][:10]
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzReader(f *testing.F) {
	dir := f.TempDir()
	w, err := OpenWriter(dir, Limits{})
	if err != nil {
		f.Fatal(err)
	}
	fill(w, 1, 3)
	w.Close()
	seed, err := os.ReadFile(filepath.Join(dir, segmentName(1)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:60])
	f.Add([]byte("mantout1"))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, segmentName(1)), content, 0o600); err != nil {
			t.Fatal(err)
		}
		last := int64(0)
		for _, e := range readAll(t, dir, 0, 1<<20) {
			if e.Number <= last {
				t.Fatalf("number %d after %d", e.Number, last)
			}
			last = e.Number
		}
	})
}
