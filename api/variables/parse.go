package variables

import (
	"fmt"
	"strings"
)

// MaxText is how long a text may be before it is parsed, in bytes.
const MaxText = 64 << 10

// Reference is one `$(…)`: a variable, or an output of a step.
type Reference struct {
	// Name of the variable, as written; empty for an output.
	Name string
	// Step, Output and, where it was given, Target name an output. Step is in lower case.
	Step, Output, Target string
}

// IsOutput tells whether the reference is to an output of a step.
func (r Reference) IsOutput() bool { return r.Step != "" }

// String writes the reference as it stands in a text.
func (r Reference) String() string {
	switch {
	case !r.IsOutput():
		return "$(" + r.Name + ")"
	case r.Target != "":
		return fmt.Sprintf("$(steps.%s.outputs[%q].%s)", r.Step, r.Target, r.Output)
	default:
		return fmt.Sprintf("$(steps.%s.outputs.%s)", r.Step, r.Output)
	}
}

// SyntaxError says where a text is not understood, and what to write instead.
type SyntaxError struct {
	// Offset in bytes of the `$(` that is meant.
	Offset int
	// Message for people.
	Message string
}

// Error gives the message with its place.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s (at character %d)", e.Message, e.Offset+1)
}

// part is either literal text or a reference.
type part struct {
	text string
	ref  *Reference
}

// Template is a parsed text. The zero value is the empty text.
type Template struct{ parts []part }

// Parse splits a text into literal parts and references. The error is a *SyntaxError.
func Parse(text string) (Template, error) {
	if len(text) > MaxText {
		return Template{}, &SyntaxError{Message: fmt.Sprintf("the text has %d bytes, at most %d are allowed", len(text), MaxText)}
	}
	var t Template
	for at := 0; at < len(text); {
		rest := text[at:]
		next := strings.IndexByte(rest, '$')
		switch {
		case next < 0:
			t.literal(rest)
			return t, nil
		case next > 0:
			t.literal(rest[:next])
			at += next
		case strings.HasPrefix(rest, "$$("):
			t.literal("$(")
			at += len("$$(")
		case strings.HasPrefix(rest, "$("):
			ref, size, problem := parseReference(rest)
			if problem != "" {
				return Template{}, &SyntaxError{Offset: at, Message: problem}
			}
			t.parts = append(t.parts, part{ref: &ref})
			at += size
		default:
			t.literal("$")
			at++
		}
	}
	return t, nil
}

func (t *Template) literal(text string) {
	if n := len(t.parts); n > 0 && t.parts[n-1].ref == nil {
		t.parts[n-1].text += text
		return
	}
	t.parts = append(t.parts, part{text: text})
}

// References are those of the text, in order, repeated where they are.
func (t Template) References() []Reference {
	var refs []Reference
	for _, p := range t.parts {
		if p.ref != nil {
			refs = append(refs, *p.ref)
		}
	}
	return refs
}

const escapeRemedy = "; to write it as text, double the dollar: $$("

// parseReference reads a reference at the beginning of text, which begins with `$(`, and says how long it is.
func parseReference(text string) (ref Reference, size int, problem string) {
	end := strings.IndexByte(text, ')')
	if end < 0 {
		return ref, 0, "$( is not closed by )" + escapeRemedy
	}
	inner := text[len("$("):end]
	size = end + 1
	if len(inner) > len("steps.") && strings.EqualFold(inner[:len("steps.")], "steps.") {
		ref, ok := parseOutput(inner[len("steps."):])
		if !ok {
			return ref, 0, fmt.Sprintf("$(%s) is not an output: write $(steps.<step>.outputs.<name>) or $(steps.<step>.outputs[\"<target>\"].<name>)%s",
				shorten(inner), escapeRemedy)
		}
		return ref, size, ""
	}
	if !isName(inner) {
		return ref, 0, fmt.Sprintf("$(%s) does not name a variable%s", shorten(inner), escapeRemedy)
	}
	return Reference{Name: inner}, size, ""
}

// parseOutput reads `<step>.outputs.<name>` or `<step>.outputs["<target>"].<name>`.
func parseOutput(text string) (Reference, bool) {
	step, rest, ok := strings.Cut(text, ".")
	const word = "outputs"
	if !ok || !isLabel(step) || len(rest) < len(word) || !strings.EqualFold(rest[:len(word)], word) {
		return Reference{}, false
	}
	ref := Reference{Step: strings.ToLower(step)}
	rest = rest[len(word):]
	if inner, indexed := strings.CutPrefix(rest, `["`); indexed {
		if ref.Target, rest, ok = strings.Cut(inner, `"]`); !ok || !isLabel(ref.Target) {
			return Reference{}, false
		}
	}
	ref.Output, ok = strings.CutPrefix(rest, ".")
	return ref, ok && isName(ref.Output)
}

// isName tells whether text can be the name of a variable or an output.
func isName(text string) bool {
	for i := range len(text) {
		c := text[i]
		switch {
		case isLetter(c) || c == '_':
		case i > 0 && (isDigit(c) || c == '.' || c == '-'):
		default:
			return false
		}
	}
	return text != ""
}

// isLabel tells whether text can be the name of a step or a target, in any case of letters.
func isLabel(text string) bool {
	for i := range len(text) {
		if c := text[i]; !isLetter(c) && !isDigit(c) && (i == 0 || c != '-' && c != '.') {
			return false
		}
	}
	return text != ""
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// shorten keeps a message readable that quotes what somebody wrote.
func shorten(text string) string {
	const most = 60
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
