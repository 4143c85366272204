package output

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// follows are the bytes that may come second in a rune, by the first, in the table of the Unicode standard.
func follows(first byte) (low, high byte, more int) {
	switch {
	case first >= 0xc2 && first <= 0xdf:
		return 0x80, 0xbf, 1
	case first == 0xe0:
		return 0xa0, 0xbf, 2
	case first == 0xed:
		return 0x80, 0x9f, 2
	case first >= 0xe1 && first <= 0xef:
		return 0x80, 0xbf, 2
	case first == 0xf0:
		return 0x90, 0xbf, 3
	case first == 0xf4:
		return 0x80, 0x8f, 3
	case first >= 0xf1 && first <= 0xf3:
		return 0x80, 0xbf, 3
	}
	return 0, 0, 0
}

// decoded is text as .NET decodes it.
func decoded(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		low, high, more := follows(text[0])
		n := 1
		for n <= more && n < len(text) && text[n] >= low && text[n] <= high {
			n, low, high = n+1, 0x80, 0xbf
		}
		if text[0] < 0x80 || more > 0 && n == more+1 {
			b.WriteString(text[:n])
		} else {
			b.WriteString("\ufffd")
		}
		text = text[n:]
	}
	return b.String()
}

// linesOf are the lines of text as .NET reads them.
func linesOf(text string) []string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	if text == "" {
		return nil
	}
	all := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := range all {
		all[i] = decoded(all[i])
	}
	return all
}

// FuzzStream writes any bytes in pieces of any sizes, and wants the lines that .NET would read from them.
func FuzzStream(f *testing.F) {
	f.Add([]byte("10%\r20%\r\ndone\n\nend"), []byte{3, 1, 2})
	f.Add([]byte("a\xff\xe2\x82b\xed\xa0\x80\n\xf0\x9f\x98\x80\xf0\x9f\r"), []byte{1})
	f.Add([]byte("\xf4\x90\x80\x80\xc0\xaf\xe0\x9f\xbf"), []byte{2, 3})
	f.Fuzz(func(t *testing.T, data, sizes []byte) {
		if len(data) > 8<<10 {
			return // a longer line would be split
		}
		w, dir := newWriter(t, Limits{})
		s := NewStream(w, StdErr)
		rest := data
		for i := 0; len(rest) > 0; i++ {
			n := len(rest)
			if len(sizes) > 0 {
				n = min(n, int(sizes[i%len(sizes)])+1)
			}
			_, _ = s.Write(rest[:n])
			rest = rest[n:]
		}
		s.Close()
		if diff := cmp.Diff(linesOf(string(data)), texts(readAll(t, dir, 0, 1<<20))); diff != "" {
			t.Errorf("%q in pieces of %v (-want +got):\n%s", data, sizes, diff)
		}
	})
}
