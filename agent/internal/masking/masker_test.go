package masking

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// reference masks a whole text the slow way: it marks every byte of every occurrence of every form of a value. Neither has bars or
// codes of colours in it.
func reference(values []string, text string) string {
	var letters []byte
	var at []int
	for i := range len(text) {
		c := text[i]
		if strings.IndexByte(" \t\n\v\f\r", c) >= 0 {
			c = ' '
			if n := len(letters); n > 0 && letters[n-1] == c {
				continue
			}
		}
		letters, at = append(letters, c), append(at, i)
	}
	covered := make([]bool, len(text))
	for _, p := range (&Masker{}).patterns(values) {
		for i := 0; i+len(p) <= len(letters); i++ {
			if string(letters[i:i+len(p)]) == p {
				for j := at[i]; j <= at[i+len(p)-1]; j++ {
					covered[j] = true
				}
			}
		}
	}
	var b strings.Builder
	for i := range len(text) {
		if !covered[i] {
			b.WriteByte(text[i])
		} else if i == 0 || !covered[i-1] {
			b.WriteString(Mask)
		}
	}
	return b.String()
}

func TestMasking(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		values         []string
	}{
		{"nothing to mask", "abc\n", "abc\n", nil},
		{"in the middle", "pw=hunter2;", "pw=********;", []string{"hunter2"}},
		{"longest first", "hunter2 hunter", "******** ********", []string{"hunter", "hunter2"}},
		{"overlapping", "xabcdefy", "x********y", []string{"abcd", "cdef"}},
		{"a value inside a longer beginning", "abcX", "a********", []string{"abcd", "bcX"}},
		{"a beginning only", "hunt", "hunt", []string{"hunter2"}},
		{"short values stay", "ab ab", "ab ab", []string{"ab"}},
		{"not UTF-8", "\xffkey\xfe\x00.", "\xff********\x00.", []string{"key\xfe"}},
		{"lines of a value", "-----BEGIN KEY-----\nMIIEvQIBADAN\nshort\n", "********\n********\nshort\n",
			[]string{"-----BEGIN KEY-----\nMIIEvQIBADAN\nshort\nMIIEvQIBADAX"}},
		{"other line ends", "one line here\r\nanother line", "********", []string{"one line here\nanother line"}},
		{"the whole of many lines", "a\nb\nc", "********", []string{"a\nb\nc"}},
	} {
		if got := New(c.values).String(c.in); got != c.want {
			t.Errorf("%s: %q becomes %q, want %q", c.name, c.in, got, c.want)
		}
	}
	if n := New([]string{"ab", "", "abc", "x"}).Short(); n != 2 {
		t.Errorf("%d values are too short, want 2", n)
	}
}

func TestRandomSplitsMatchTheReference(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		word := func(n int) string {
			b := make([]byte, n)
			for i := range b {
				b[i] = "aab\nc "[r.IntN(6)]
			}
			return string(b)
		}
		var values []string
		for range 1 + r.IntN(4) {
			values = append(values, word(1+r.IntN(14)))
		}
		text := word(r.IntN(80)) + values[0] + word(r.IntN(20)) + values[0][:len(values[0])/2]
		var out bytes.Buffer
		w := New(values).Writer(&out)
		for rest := text; rest != ""; {
			n := 1 + r.IntN(len(rest))
			if _, err := w.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if want := reference(values, text); out.String() != want {
			t.Fatalf("seed %d: values %q, text %q\n got %q\nwant %q", seed, values, text, out.String(), want)
		}
	}
}

func TestOnlyWhatCouldBeginAValueIsHeldBack(t *testing.T) {
	var out bytes.Buffer
	w := New([]string{"hunter2"}).Writer(&out)
	for _, c := range []struct{ write, want string }{
		{"ready> ", "ready> "}, {"hun", "ready> "}, {"ting", "ready> hunting"}, {"hunter", "ready> hunting"}, {"2", "ready> hunting"}, {"!", "ready> hunting********!"},
	} {
		if _, err := fmt.Fprint(w, c.write); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != c.want && got != c.want+Mask {
			t.Errorf("after %q the output is %q, want %q", c.write, got, c.want)
		}
	}
}

// A value that repeats itself must not make the cost grow with the square.
func TestRepetitiveValuesStayCheap(t *testing.T) {
	m := New([]string{strings.Repeat("a", 64<<10)})
	text := strings.Repeat("a", 4<<20)
	if got := m.String(text + "b" + text[:100]); got != Mask+"b"+text[:100] {
		t.Errorf("masked to %d bytes", len(got))
	}
}

func FuzzMasking(f *testing.F) {
	f.Add("hunter2", "abc", "xhunter2abcx", uint8(3))
	f.Add("a\nbbbbbbbbb", "bbbb", "bbbbbbbbbb", uint8(1))
	f.Add("a  b\r\nc", "b c d", "a\n\nb c\t d", uint8(2))
	f.Add("one two", "\x1b[1mtwo\x1b[0m", "one\n   | \x1b[31mtwo", uint8(1))
	f.Fuzz(func(t *testing.T, a, b, text string, n uint8) {
		m := New([]string{a, b})
		var out bytes.Buffer
		w := m.Writer(&out)
		for rest := []byte(text); len(rest) > 0; {
			k := min(int(n)+1, len(rest))
			if _, err := w.Write(rest[:k]); err != nil {
				t.Fatal(err)
			}
			rest = rest[k:]
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if want := m.String(text); out.String() != want {
			t.Errorf("values %q %q, text %q: in pieces %q, whole %q", a, b, text, out.String(), want)
		}
		if strings.ContainsAny(a+b+text, "|\x1b") {
			return
		}
		if want := reference([]string{a, b}, text); out.String() != want {
			t.Errorf("values %q %q, text %q: got %q, want %q", a, b, text, out.String(), want)
		}
	})
}
