package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
)

func TestParseOutputs(t *testing.T) {
	for _, c := range []struct {
		name, text string
		cut        bool
		want       string // name=value|…
		fails      string
	}{
		{name: "one line each", text: "a=1\nb=x=y\nc=\n", want: "a=1|b=x=y|c="},
		{name: "without an end", text: "a=1", want: "a=1"},
		{name: "of Windows", text: "a=1\r\n\r\nb<<END\r\nx\r\ny\r\nEND\r\n", want: "a=1|b=x\ny"},
		{name: "many lines", text: "a<<EOF\nx=1\n\n  EOF\nEOF2\nEOF\nb=2\n", want: "a=x=1\n\n  EOF\nEOF2|b=2"},
		{name: "any word", text: "a<<==*&?\nx\n==*&?\n", want: "a=x"},
		{name: "an empty one", text: "a<<E\nE\n", want: "a="},
		{name: "an assignment of <<", text: "a=<<b\n", want: "a=<<b"},
		{name: "twice", text: "a=1\na=2\n", want: "a=1|a=2"},
		{name: "nothing", text: "", want: ""},
		{name: "a line that is none", text: "a=1\n\nDone.\n", want: "a=1", fails: "line 3 of $MANTLE_OUTPUT is no output"},
		{name: "no name", text: "=1\n", fails: "line 1 of"},
		{name: "no word", text: "a<<\n", fails: "line 1 of"},
		{name: "one <", text: "a<b\n", fails: "line 1 of"},
		{name: "behind many lines", text: "a<<E\nx\nE\nE\n", want: "a=x", fails: "line 4 of"},
		{name: "never ended", text: "b=1\na<<E\nx\nE \n", want: "b=1", fails: "line 2 of $MANTLE_OUTPUT begins"},
		{name: "cut in a line", text: "a=1\nb=1\nDon", cut: true, want: "a=1|b=1"},
		{name: "cut in many lines", text: "a=1\nb<<E\nx\n", cut: true, want: "a=1"},
	} {
		var got []string
		err := parseOutputs(c.text, c.cut, func(name, value string) { got = append(got, name+"="+value) })
		if diff := cmp.Diff(c.want, strings.Join(got, "|")); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if (err == nil) != (c.fails == "") || !strings.Contains(fmt.Sprint(err), c.fails) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestTextInTheEncodingsOfPowerShell(t *testing.T) {
	const want = "a=ü🐙\n"
	units, runes := utf16.Encode([]rune("\uFEFF"+want)), []rune("\uFEFF"+want)
	for name, data := range map[string][]byte{
		"UTF-8":                 []byte(want),
		"UTF-8 with a mark":     []byte("\uFEFF" + want),
		"UTF-16":                encode(t, binary.LittleEndian, units),
		"UTF-16, big-endian":    encode(t, binary.BigEndian, units),
		"UTF-32":                encode(t, binary.LittleEndian, runes),
		"UTF-32, big-endian":    encode(t, binary.BigEndian, runes),
		"UTF-16, cut in two":    append(encode(t, binary.LittleEndian, units), 'x'),
		"UTF-32, cut in pieces": append(encode(t, binary.BigEndian, runes), 0, 0, 1),
	} {
		if got := decodeText(data); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := decodeText([]byte("\x00\x00\xfe\xff\xff\xff\xff\xff\x00\x00\xd8\x00")); got != "\uFFFD\uFFFD" {
		t.Errorf("no characters: %q", got)
	}
}

func encode(t *testing.T, order binary.ByteOrder, text any) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := binary.Write(&b, order, text); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func FuzzParseOutputs(f *testing.F) {
	f.Add("a=1\nb<<E\nx\nE\n", false)
	f.Add("a<<\r\n\r\n", true)
	f.Fuzz(func(t *testing.T, text string, cut bool) {
		err := parseOutputs(text, cut, func(name, value string) {
			if name == "" || strings.ContainsAny(name, "\n=") || !strings.Contains(strings.ReplaceAll(text, "\r\n", "\n"), strings.TrimSuffix(value, "\r")) {
				t.Errorf("%q gives %q=%q", text, name, value)
			}
		})
		if err != nil && !strings.Contains(err.Error(), "line ") {
			t.Error(err)
		}
	})
}
