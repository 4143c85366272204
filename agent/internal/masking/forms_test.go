package masking

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/url"
	"os/exec"
	"strings"
	"testing"
)

// value has all that programs escape.
const value = "S3cr&t \"q\"/p\\w'x$y +<ü>`z"

// What programs make of a value when they show it is masked as the value is.
func TestFormsOfAValueAreMasked(t *testing.T) {
	quote := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	shown := map[string]string{
		"JSON of Go":             quote(value),
		"JSON of Python":         `"S3cr&t \"q\"/p\\w'x$y +<\u00fc>` + "`" + `z"`,
		"JSON of jq":             `"S3cr&t \"q\"/p\\w'x$y +<ü>` + "`" + `z"`,
		"JSON of .NET":           `"S3cr\u0026t \u0022q\u0022/p\\w\u0027x$y \u002B\u003C\u00FC\u003E\u0060z"`,
		"JSON of PHP":            `"S3cr&t \"q\"\/p\\w'x$y +<\u00fc>` + "`" + `z"`,
		"JSON of PowerShell":     `"S3cr\u0026t \"q\"/p\\w\u0027x$y +\u003cü\u003e` + "`" + `z"`,
		"a literal of Go":        fmt.Sprintf("%q", value),
		"a literal of Python":    `'S3cr&t "q"/p\\w\'x$y +<ü>` + "`" + `z'`,
		"HTML of Go":             html.EscapeString(value),
		"HTML of Python":         `S3cr&amp;t &quot;q&quot;/p\w&#x27;x$y +&lt;ü&gt;` + "`z",
		"HTML, the least":        `S3cr&amp;t "q"/p\w'x$y +&lt;ü&gt;` + "`z",
		"XML":                    `S3cr&amp;t &quot;q&quot;/p\w&apos;x$y +&lt;ü&gt;` + "`z",
		"a query":                url.QueryEscape(value),
		"a path":                 "S3cr%26t%20%22q%22/p%5Cw%27x%24y%20%2B%3C%C3%BC%3E%60z",
		"encodeURIComponent":     "S3cr%26t%20%22q%22%2Fp%5Cw'x%24y%20%2B%3C%C3%BC%3E%60z",
		"encodeURI":              "S3cr&t%20%22q%22/p%5Cw'x$y%20+%3C%C3%BC%3E%60z",
		"a URL of .NET":          "S3cr%26t+%22q%22%2fp%5cw%27x%24y+%2b%3c%c3%bc%3e%60z",
		"set -x":                 `'S3cr&t "q"/p\w'\''x$y +<ü>` + "`z'",
		"shlex":                  `'S3cr&t "q"/p\w'"'"'x$y +<ü>` + "`z'",
		"quotes that are double": `'S3cr&t "q"/p\w''x$y +<ü>` + "`z'",
		"printf %q":              `S3cr\&t\ \"q\"/p\\w\'x\$y\ +\<ü\>` + "\\`z",
		"declare -p":             `"S3cr&t \"q\"/p\\w'x\$y +<ü>` + "\\`z\"",
		"hex":                    hex.EncodeToString([]byte(value)),
		"HEX":                    strings.ToUpper(hex.EncodeToString([]byte(value))),
		"base64":                 base64.StdEncoding.EncodeToString([]byte(value)),
		"base64 for URLs":        base64.RawURLEncoding.EncodeToString([]byte(value)),
	}
	m := New([]string{value + "\n"})
	for how, text := range shown {
		got := m.String("<" + text + ">")
		if trimmed := strings.NewReplacer("<", "", ">", "", `"`, "", "'", "").Replace(got); trimmed != Mask {
			t.Errorf("%s: %s is shown as %s", how, text, got)
		}
	}
	for before := range 5 {
		for after := range 3 {
			text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("u", before) + value + strings.Repeat("p", after)))
			got := m.String(text)
			masked := strings.Count(got, Mask) == 1
			if rest := len(got) - len(Mask); !masked || rest > 4*(before/3)+3+4+1 {
				t.Errorf("base64 between %d and %d bytes: %s", before, after, got)
			}
		}
	}
}

// The forms are those that Bash really writes.
func TestWhatBashMakesOfAValueIsMasked(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	for _, secret := range []string{value, "two words", "tab\there", "it's $HOME", "~home:~x", "#begins", "a=b,c{d}", "bell\a and\x1besc", "line\nfeed here"} {
		m := New([]string{secret})
		for _, how := range []string{`printf '%q\n' "$V"`, `set -x; : "$V"`, `declare -p V`, `printf '%s\n' "${V@Q}"`, `printf %s "$V" | base64`, `printf %s "$V" | od -An -v -tx1 | tr -d ' \n'`} {
			cmd := exec.Command(bash, "-c", how+" 2>&1")
			cmd.Env = []string{"V=" + secret, "LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin"}
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v: %s", how, err, out)
			}
			if got := m.String(string(out)); !strings.Contains(got, Mask) {
				t.Errorf("%s of %q is shown: %s", how, secret, got)
			}
		}
	}
}

// A Secret that was made of a file ends in a newline, which $(…) takes off.
func TestTrimmedFormsAreMasked(t *testing.T) {
	for value, texts := range map[string][]string{
		"hunter2\n":           {"hunter2", "hunter2\n", base64.StdEncoding.EncodeToString([]byte("hunter2")), base64.StdEncoding.EncodeToString([]byte("hunter2\n"))},
		"hunter2\r\n":         {"hunter2"},
		"  hunter2\t":         {"hunter2", "hunter2\t", "  hunter2"},
		"first li\nsecond\n":  {"first lisecond"},
		"key: |\n  ABCDEFGH ": {"ABCDEFGH"},
	} {
		for _, text := range texts {
			if got := strings.TrimSpace(New([]string{value}).String(text)); got != Mask {
				t.Errorf("%q of %q is shown as %q", text, value, got)
			}
		}
	}
	if m := New([]string{"\n\n\n\n", "a\n\n\n"}); m.Short() != 2 || m.String("x\n\n\n\ny") != "x\n\n\n\ny" {
		t.Errorf("of white space alone %d are too short", m.Short())
	}
}

// base64(1) and xxd(1) break what they write into lines.
func TestBrokenLinesAreMasked(t *testing.T) {
	long := strings.Repeat("0123456789abcdef~", 20)
	m := New([]string{long})
	code := base64.StdEncoding.EncodeToString([]byte(long))
	for _, c := range []struct {
		text    string
		columns int
	}{{code, 76}, {code, 64}, {hex.EncodeToString([]byte(long)), 60}} {
		var b strings.Builder
		for rest := c.text; rest != ""; {
			n := min(c.columns, len(rest))
			b.WriteString(rest[:n] + "\n")
			rest = rest[n:]
		}
		if got := strings.NewReplacer(Mask, "", "\n", "").Replace(m.String(b.String())); len(got) > 8 {
			t.Errorf("at %d columns %q stays", c.columns, got)
		}
	}
}

// Forms take memory, so that they are bounded; the values themselves are always masked.
func TestFormsAreBounded(t *testing.T) {
	var values []string
	for i := range 200 {
		values = append(values, fmt.Sprintf("%04d%s", i, strings.Repeat("\"'&", 5000)))
	}
	m := New(values)
	if m.PlainOnly() == 0 || len(m.nodes) > maxForms+4*len(values)*len(values[0]) {
		t.Errorf("%d states, %d of %d without forms", len(m.nodes), m.PlainOnly(), len(values))
	}
	for _, v := range values {
		if got := m.String(v); got != Mask {
			t.Fatal("a value is not masked")
		}
	}
	if n := New([]string{value}).PlainOnly(); n != 0 {
		t.Errorf("%d of a usual value", n)
	}
	key := "-----BEGIN PRIVATE KEY-----\n"
	for i := range 50 {
		line := sha256.Sum256([]byte{byte(i)})
		key += base64.StdEncoding.EncodeToString(append(line[:], line[:16]...)) + "\n"
	}
	if m := New([]string{key + "-----END PRIVATE KEY-----\n"}); m.PlainOnly() != 0 || len(m.nodes) > 200_000 {
		t.Errorf("a key takes %d states", len(m.nodes))
	}
}

func TestWithoutValuesEverythingPassesAsItCame(t *testing.T) {
	var out counting
	w := New(nil).Writer(&out)
	text := bytes.Repeat([]byte("some output\n"), 10_000)
	if n, err := w.Write(text); n != len(text) || err != nil || out.writes != 1 || &out.last[0] != &text[0] {
		t.Errorf("%d, %v, in %d pieces", n, err, out.writes)
	}
}

type counting struct {
	writes int
	last   []byte
}

func (c *counting) Write(p []byte) (int, error) {
	c.writes, c.last = c.writes+1, p
	return len(p), nil
}

func BenchmarkMasking(b *testing.B) {
	text := bytes.Repeat([]byte("2026-11-28 20:00:00 INFO some line of output as programs write it\n"), 1000)
	for name, values := range map[string][]string{"none": nil, "one": {value}, "three": {value, "hunter2", "postgres://app:pw@db/prod"}} {
		b.Run(name, func(b *testing.B) {
			w := New(values).Writer(io.Discard)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := w.Write(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
