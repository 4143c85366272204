package step

import (
	"encoding/base64"
	"fmt"
	"strings"
)

const (
	// OctopusPrefix begins a service message of Octopus's.
	OctopusPrefix = "##octopus["
	mantlePrefix  = "##mantle["
	// MaxLine is the most bytes that a line written by the engine has; a Tentacle splits longer ones.
	MaxLine = 64 << 10
)

// attribute is one key of a service message and its value before base64.
type attribute struct{ key, value string }

// message is a service message.
type message struct {
	name       string
	attributes []attribute
}

// format writes a message as Octopus does: the values in base64 within single quotes.
func (m message) format(prefix string) string {
	var b strings.Builder
	b.WriteString(prefix + m.name)
	for _, a := range m.attributes {
		b.WriteString(" " + a.key + "='" + base64.StdEncoding.EncodeToString([]byte(a.value)) + "'")
	}
	b.WriteString("]")
	return b.String()
}

func (m message) get(key string) string {
	for _, a := range m.attributes {
		if a.key == key {
			return a.value
		}
	}
	return ""
}

// parseMessage reads a line that begins with the prefix. It takes a line for a message only when the
// whole of it is one.
func parseMessage(prefix, line string) (message, bool) {
	rest, ok := strings.CutPrefix(strings.TrimRight(line, " \t\r"), prefix)
	if !ok || len(line) > 2*MaxLine {
		return message{}, false
	}
	rest, ok = strings.CutSuffix(rest, "]")
	if !ok {
		return message{}, false
	}
	name, rest, _ := strings.Cut(rest, " ")
	m := message{name: name}
	if name == "" || !isWord(name, "-_") {
		return message{}, false
	}
	for rest = strings.TrimLeft(rest, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		key, after, found := strings.Cut(rest, "='")
		encoded, next, closed := strings.Cut(after, "'")
		value, err := base64.StdEncoding.DecodeString(encoded)
		if !found || !closed || err != nil || !isWord(key, "-_") || len(m.attributes) == 16 {
			return message{}, false
		}
		m.attributes = append(m.attributes, attribute{key, string(value)})
		rest = next
	}
	return m, true
}

// isStream tells whether a message says what the lines that follow are.
func (m message) isStream() bool {
	return strings.HasPrefix(m.name, "stdout-") && len(m.attributes) == 0
}

// OctopusMessage is a service message of Octopus's that a script wrote, for a person: text has its values as they are, and
// is no message itself. It is false for a line that is none, and for one that says what the lines that follow are.
func OctopusMessage(line string) (name, text string, ok bool) {
	m, ok := parseMessage(OctopusPrefix, line)
	if !ok || m.isStream() {
		return "", "", false
	}
	var b strings.Builder
	b.WriteString(OctopusPrefix + m.name)
	for _, a := range m.attributes {
		fmt.Fprintf(&b, " %s=%q", a.key, a.value)
	}
	return m.name, b.String() + "]", true
}

// Redacted is a line as it may be shown: a service message of Octopus's has no values, which nobody could mask, as they are in
// base64.
func Redacted(line string) string {
	m, ok := parseMessage(OctopusPrefix, line)
	if !ok || len(m.attributes) == 0 {
		return line
	}
	var b strings.Builder
	b.WriteString(OctopusPrefix + m.name)
	for _, a := range m.attributes {
		b.WriteString(" " + a.key + "='…'")
	}
	return b.String() + "]"
}

// FormatOutput is the line by which the engine gives one output: Octopus's own message, and the nonce.
// The value must have no secret in it, and a line over MaxLine is refused.
func FormatOutput(nonce, name, value string) (string, error) {
	line := message{"setVariable", []attribute{{"name", name}, {"value", value}, {"nonce", nonce}}}.format(OctopusPrefix)
	if len(line) > MaxLine {
		return "", fmt.Errorf("output %q is too long for a line", name)
	}
	return line, nil
}

// FormatVerbose is the three lines that show a text without making it the step's output.
func FormatVerbose(text string) []string {
	return []string{OctopusPrefix + "stdout-verbose]", text, OctopusPrefix + "stdout-default]"}
}

// FormatWarning is the three lines that show a text as a warning.
func FormatWarning(text string) []string {
	return []string{OctopusPrefix + "stdout-warning]", text, OctopusPrefix + "stdout-default]"}
}
