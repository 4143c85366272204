package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mantledeploy/mantle/agent/internal/sorted"
	"github.com/mantledeploy/mantle/api/halibut"
)

// The bounds of a file. MaxFile is in bytes.
const (
	MaxFile      = 256 << 10
	maxOperators = 1000
	maxEntries   = 100 // of each list
	maxProblems  = 20
)

// FileError is a file that is not understood: everything that is wrong with it, up to a bound.
type FileError struct{ Problems []Problem }

// Problem is one of the things that are wrong with a file.
type Problem struct {
	// Line counts from 1; 0 is the file as a whole.
	Line int
	// Key is the path of the key, empty for the file as a whole.
	Key string
	// Text says what is wrong and what to write instead.
	Text string
}

// String is the problem in one line.
func (p Problem) String() string {
	text := p.Text
	if p.Key != "" {
		text = p.Key + ": " + text
	}
	if p.Line > 0 {
		text = fmt.Sprintf("line %d: %s", p.Line, text)
	}
	return text
}

// Error is all problems in one line.
func (e *FileError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.String()
	}
	return strings.Join(texts, "; ")
}

// Parse reads the content of a policy file. The error is a *FileError.
func Parse(data []byte) (*Policy, error) {
	if len(data) > MaxFile {
		return nil, &FileError{[]Problem{{Text: fmt.Sprintf("the file has more than %d bytes", MaxFile)}}}
	}
	var document yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(data))
	err := d.Decode(&document)
	switch {
	case errors.Is(err, io.EOF) || err == nil && len(document.Content) == 0:
		return nil, &FileError{[]Problem{{Text: "the file is empty, which would forbid everything; give an operator its rules, or remove the file"}}}
	case err != nil:
		return nil, &FileError{[]Problem{{Text: syntax(err)}}}
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, &FileError{[]Problem{{Text: "the file has more than one document; keep one"}}}
	}
	r := &reader{}
	p := r.policy(document.Content[0])
	if len(r.problems) > 0 {
		sorted.By(r.problems, func(a, b Problem) int { return a.Line - b.Line })
		return nil, &FileError{r.problems}
	}
	return p, nil
}

func syntax(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if strings.Contains(text, "alphabetic or numeric") {
		text += ` (write "*", for every operator, with its quotes)`
	}
	return text
}

// reader turns nodes into a policy and gathers what is wrong on the way.
type reader struct{ problems []Problem }

func (r *reader) bad(n *yaml.Node, key, format string, args ...any) {
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, Problem{Line: n.Line, Key: key, Text: fmt.Sprintf(format, args...)})
	}
}

// mark is how much is wrong so far. A value that is empty for what is wrong in it is not called empty as well.
func (r *reader) mark() int { return len(r.problems) }

// field reads the value of a key; key is its path.
type field func(n *yaml.Node, key string)

// mapping calls the field of each key. What has no field goes to others, or is an error where that is nil.
func (r *reader) mapping(n *yaml.Node, key, known string, fields map[string]field, others func(name, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		r.bad(n, key, "is not a mapping; write keys and values below it, indented (known keys: %s)", known)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		path := join(key, name.Value)
		switch read := fields[name.Value]; {
		case name.Kind != yaml.ScalarNode || name.Tag == "!!merge":
			r.bad(name, key, "has a key that is no plain text (known keys: %s)", known)
		case value.Kind == yaml.AliasNode || value.Anchor != "":
			r.bad(value, path, "anchors and aliases are not understood here; write the value out")
		case seen[name.Value]:
			r.bad(name, path, "comes twice; keep one")
		case read != nil:
			read(value, path)
		case others != nil:
			others(name, value)
		default:
			r.bad(name, path, "is no known key; remove it, or correct it to one of: %s", known)
		}
		seen[name.Value] = true
	}
}

func join(key, name string) string {
	if len(name) > 100 {
		name = name[:100] + "…"
	}
	if key == "" {
		return name
	}
	return key + "." + name
}

func (r *reader) policy(n *yaml.Node) *Policy {
	p, found := &Policy{}, false
	r.mapping(n, "", "operators", map[string]field{"operators": func(n *yaml.Node, key string) {
		found = true
		r.operators(n, key, p)
	}}, nil)
	if !found && n.Kind == yaml.MappingNode {
		r.bad(n, "operators", "is missing; write the rules of each operator below it")
	}
	return p
}

func (r *reader) operators(n *yaml.Node, key string, p *Policy) {
	seen, before := map[string]bool{}, r.mark()
	r.mapping(n, key, `the operators' thumbprints, or "*" for all others`, nil, func(name, value *yaml.Node) {
		path := join(key, name.Value)
		operator := name.Value
		if operator != Anyone {
			t, err := halibut.ParseThumbprint(operator)
			if err != nil {
				r.bad(name, path, `%s; name an operator by its thumbprint as 'tentacle trust list' prints it, or write "*" for all others`, err)
				r.rules(value, path, operator) // what is wrong there is told, too
				return
			}
			operator = string(t)
		}
		switch {
		case seen[operator]:
			r.bad(name, path, "comes twice; keep one entry for an operator")
		case len(p.Operators) >= maxOperators:
			r.bad(name, path, "is one more than the %d operators that are allowed; use \"*\"", maxOperators)
		default:
			p.Operators = append(p.Operators, r.rules(value, path, operator))
		}
		seen[operator] = true
	})
	if len(p.Operators) == 0 && r.mark() == before {
		r.bad(n, key, "names no operator, which would forbid everything; name one, or remove the file")
	}
}
