package masking

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// minCode is the length from which a piece of base64 or hex counts: shorter ones are in ordinary text too.
const minCode = 6

// The columns at which base64(1), PEM and xxd(1) break lines.
var breaks = map[string][]int{"base64": {76, 64}, "hex": {60}}

// maxText is how long a text may be to be looked for as it is quoted and escaped; longer ones have lines, which are.
const maxText = 4 << 10

// formsOf returns the forms of a value, and false where they have more than left bytes; then it returns none.
func formsOf(wholes, lines []string, left int) (map[string]bool, bool) {
	all, size := map[string]bool{}, 0
	take := func(forms []string) {
		for _, form := range forms {
			if !all[form] {
				all[form] = true
				size += len(form)
			}
		}
	}
	for _, text := range append(wholes, lines...) {
		if size+len(text) > left {
			return nil, false
		}
		if len(text) <= maxText {
			take(texts(text))
		}
	}
	for _, text := range wholes {
		if size+8*len(text) > left {
			return nil, false
		}
		take(codes(text))
	}
	return all, size <= left
}

// texts are what programs make of a text when they show it: quoted for a shell (by set -x, printf %q and declare -p, and by
// doubled quotes), escaped for JSON, as a literal of C, Python or Go, for HTML and XML, and in a URL.
func texts(v string) []string {
	all := quoted(v)
	for _, j := range jsons {
		all = append(all, j.escape(v))
	}
	for _, l := range literals {
		all = append(all, l.escape(v))
	}
	for _, quotes := range htmlQuotes {
		names := append([]string{"&", "&amp;", "<", "&lt;", ">", "&gt;"}, quotes...)
		all = append(all, strings.NewReplacer(names...).Replace(v))
	}
	return append(all, urls(v)...)
}

// quoted is v as shells quote it, each way without the quotes around.
func quoted(v string) []string {
	return []string{
		strings.ReplaceAll(v, `'`, `'\''`),             // set -x, ${v@Q}
		strings.ReplaceAll(v, `'`, `'"'"'`),            // shlex.quote
		strings.ReplaceAll(v, `'`, `''`),               // PowerShell, SQL, YAML
		strings.ReplaceAll(v, `"`, `""`),               // CSV, cmd
		behind('\\', v, " \t!\"$&'()*,;<>?[\\]^`{|}"),  // printf %q
		behind('\\', v, " \t!\"$&'()*,;<>?[\\]^`{|}~"), // the same, where ~ begins a path
		behind('\\', v, "\\\"$`"),                      // declare -p, env files
		behind('`', v, "`\"$"),                         // PowerShell
	}
}

// behind puts a character before each of those that are special.
func behind(mark byte, v, special string) string {
	var b strings.Builder
	for i := range len(v) {
		if strings.IndexByte(special, v[i]) >= 0 {
			b.WriteByte(mark)
		}
		b.WriteByte(v[i])
	}
	return b.String()
}

// literalStyle is how a language writes a text as a literal: with a backslash before quotes and itself, with letters for some control
// characters, and numbers for others.
type literalStyle struct {
	quotes, controls, letters, others string
}

// literals are the styles of, in this order: Python, with either quote around; Go and C; $'…' of Bash.
var literals = []literalStyle{
	{"", "\t\n\r", "tnr", `\x%02x`},
	{"'", "\t\n\r", "tnr", `\x%02x`},
	{`"`, "\a\b\f\n\r\t\v", "abfnrtv", `\x%02x`},
	{"'", "\a\b\x1b\f\n\r\t\v", "abEfnrtv", `\%03o`},
}

func (l literalStyle) escape(v string) string {
	var b strings.Builder
	for i := range len(v) {
		switch c := v[i]; {
		case c == '\\' || strings.IndexByte(l.quotes, c) >= 0:
			b.WriteString(`\` + string(rune(c)))
		case c < ' ' || c == 0x7f:
			b.WriteString(l.control(c))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func (l literalStyle) control(c byte) string {
	if i := strings.IndexByte(l.controls, c); i >= 0 {
		return `\` + l.letters[i:i+1]
	}
	return fmt.Sprintf(l.others, c)
}

// jsonStyle is how a library writes texts in JSON.
type jsonStyle struct {
	coded   string // ASCII characters that are written as \u and four digits
	format  string // of those
	ascii   bool   // all others than ASCII are too
	slashes bool   // have a backslash before them
}

// jsons are the styles of, in this order: jq and JavaScript; Python; Go; Windows PowerShell; .NET; PHP, without and with its flag for
// Unicode.
var jsons = []jsonStyle{
	{},
	{ascii: true, format: `\u%04x`},
	{coded: "<>&", format: `\u%04x`},
	{coded: "<>&'", format: `\u%04x`},
	{coded: "\"&'<>+`", ascii: true, format: `\u%04X`},
	{ascii: true, slashes: true, format: `\u%04x`},
	{slashes: true},
}

var jsonControls = literalStyle{controls: "\b\f\n\r\t", letters: "bfnrt", others: `\u%04x`}

func (j jsonStyle) escape(v string) string {
	var b strings.Builder
	for _, r := range v {
		switch {
		case j.isCoded(r):
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, j.format, unit)
			}
		case r == '"' || r == '\\' || r == '/' && j.slashes:
			b.WriteString(`\` + string(r))
		case r < ' ':
			b.WriteString(jsonControls.control(byte(r)))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func (j jsonStyle) isCoded(r rune) bool {
	if r >= utf8.RuneSelf {
		return j.ascii
	}
	return strings.ContainsRune(j.coded, r)
}

// htmlQuotes are how the two quotes are written in HTML and XML.
var htmlQuotes = [][]string{nil, {`"`, "&quot;"}, {`"`, "&quot;", "'", "&#x27;"}, {`"`, "&quot;", "'", "&#39;"}, {`"`, "&#34;", "'", "&#39;"}, {`"`, "&quot;", "'", "&apos;"}}

// urls is v in a URL: libraries differ in what they keep, in the digits, and in forms a blank is a plus sign.
func urls(v string) []string {
	var all []string
	for _, digits := range []string{"%%%02X", "%%%02x"} {
		for _, keep := range []string{"-._~", "-._~/", "-._~!'()*", "-._~;,/?:@&=+$#!'()*"} {
			all = append(all, percent(v, keep, digits, "%20"))
		}
		for _, keep := range []string{"-._~", "-._*", "-._!()*"} {
			all = append(all, percent(v, keep, digits, "+"))
		}
	}
	return all
}

func percent(v, keep, digits, blank string) string {
	var b strings.Builder
	for i := range len(v) {
		switch c := v[i]; {
		case c == ' ':
			b.WriteString(blank)
		case c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte(keep, c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, digits, c)
		}
	}
	return b.String()
}

// codes is v in hex and in base64, in both alphabets, also where it comes behind one or two other bytes (of a header, a user's
// name). Of base64 only the characters that depend on nothing but v count.
func codes(v string) []string {
	h := hex.EncodeToString([]byte(v))
	found := append(broken(h, breaks["hex"]), h, strings.ToUpper(h))
	for _, code := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		whole := code.EncodeToString([]byte(v))
		found = append(append(found, whole, strings.TrimRight(whole, "=")), broken(whole, breaks["base64"])...)
		for before := range 3 {
			text := code.EncodeToString(append(make([]byte, before), v...))
			found = append(found, text[(8*before+5)/6:8*(before+len(v))/6])
		}
	}
	var all []string
	for _, f := range found {
		if len(f) >= minCode {
			all = append(all, f)
		}
	}
	return all
}

// broken are the lines that a code is broken into.
func broken(code string, columns []int) []string {
	var all []string
	for _, n := range columns {
		if len(code) <= n {
			continue
		}
		for rest := code; rest != ""; {
			line := rest[:min(n, len(rest))]
			rest = rest[len(line):]
			if len(line) >= minLine {
				all = append(all, line)
			}
		}
	}
	return all
}
