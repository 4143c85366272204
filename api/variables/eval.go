package variables

import (
	"errors"
	"fmt"
	"strings"
)

const (
	// MaxExpanded is how long a text may become, in bytes: as much as a Linux process takes in one environment variable.
	MaxExpanded = 128 << 10
	// MaxDepth is how deep variables may refer to each other.
	MaxDepth = 32
)

// ErrTooLarge is returned for a text that expands to more than MaxExpanded bytes.
var ErrTooLarge = fmt.Errorf("the expanded text is longer than %d bytes", MaxExpanded)

// ErrTooDeep is returned for variables that refer to each other more than MaxDepth deep.
var ErrTooDeep = fmt.Errorf("variables refer to each other more than %d deep", MaxDepth)

// Value is a text, and whether it must not be shown.
type Value struct {
	Text      string
	Sensitive bool
}

// Definition is what a variable stands for.
type Definition struct {
	// Text of it; parsed unless it is Literal.
	Text string
	// Literal texts are taken as they are: those from Secrets and ConfigMaps, and the system's own.
	Literal bool
	// Sensitive texts make everything sensitive that takes them in.
	Sensitive bool
}

// UnknownError says that a text refers to something that has no value.
type UnknownError struct {
	Reference Reference
	// Err says why, where that is known.
	Err error
}

// Error names the reference.
func (e *UnknownError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s has no value: %v", e.Reference, e.Err)
	}
	return fmt.Sprintf("%s has no value", e.Reference)
}

// Unwrap gives the cause.
func (e *UnknownError) Unwrap() error { return e.Err }

// CycleError names variables that refer to each other in a circle.
type CycleError struct {
	// Path of the circle; the first name is the last one too.
	Path []string
}

// Error shows the circle.
func (e *CycleError) Error() string {
	return "variables refer to each other in a circle: " + strings.Join(e.Path, " → ")
}

// errNotDefined is the cause of an UnknownError for a name that nothing defines.
var errNotDefined = errors.New("no variable of that name has a value here")

// Evaluator expands texts over fixed definitions and remembers what it has worked out. It is not safe for concurrent
// use.
type Evaluator struct {
	definitions map[string]Definition
	outputs     func(Reference) (string, error)
	done        map[string]Value
	path        []string
}

// NewEvaluator makes one. The names of definitions ignore case; of two that differ only in case one is used. outputs
// gives the outputs of steps, which are taken as they are; an error from it becomes the cause of an UnknownError.
func NewEvaluator(definitions map[string]Definition, outputs func(Reference) (string, error)) *Evaluator {
	e := &Evaluator{definitions: make(map[string]Definition, len(definitions)), outputs: outputs, done: map[string]Value{}}
	for name, d := range definitions {
		e.definitions[strings.ToLower(name)] = d
	}
	return e
}

// Variable gives the value of a variable. Errors are *UnknownError, *CycleError, *SyntaxError, ErrTooLarge and
// ErrTooDeep.
func (e *Evaluator) Variable(name string) (Value, error) {
	key := strings.ToLower(name)
	if v, ok := e.done[key]; ok {
		return v, nil
	}
	d, ok := e.definitions[key]
	if !ok {
		return Value{}, &UnknownError{Reference: Reference{Name: name}, Err: errNotDefined}
	}
	v := Value{Text: d.Text, Sensitive: d.Sensitive}
	if !d.Literal {
		var err error
		if v, err = e.enter(key, name, d); err != nil {
			return Value{}, err
		}
	}
	e.done[key] = v
	return v, nil
}

// enter expands a definition, watching for circles.
func (e *Evaluator) enter(key, name string, d Definition) (Value, error) {
	for i, on := range e.path {
		if on == key {
			return Value{}, &CycleError{Path: append(append([]string{}, e.path[i:]...), name)}
		}
	}
	if len(e.path) >= MaxDepth {
		return Value{}, ErrTooDeep
	}
	e.path = append(e.path, key)
	defer func() { e.path = e.path[:len(e.path)-1] }()
	v, err := e.Expand(d.Text)
	v.Sensitive = v.Sensitive || d.Sensitive
	return v, err
}

// Expand replaces every reference of a text. Errors are those of Variable.
func (e *Evaluator) Expand(text string) (Value, error) {
	t, err := Parse(text)
	if err != nil {
		return Value{}, err
	}
	var out strings.Builder
	sensitive := false
	for _, p := range t.parts {
		v := Value{Text: p.text}
		if p.ref != nil {
			if v, err = e.resolve(*p.ref); err != nil {
				return Value{}, err
			}
		}
		if out.Len()+len(v.Text) > MaxExpanded {
			return Value{}, ErrTooLarge
		}
		out.WriteString(v.Text)
		sensitive = sensitive || v.Sensitive
	}
	return Value{Text: out.String(), Sensitive: sensitive}, nil
}

func (e *Evaluator) resolve(ref Reference) (Value, error) {
	if !ref.IsOutput() {
		return e.Variable(ref.Name)
	}
	text, err := e.outputs(ref)
	if err != nil {
		return Value{}, &UnknownError{Reference: ref, Err: err}
	}
	return Value{Text: text}, nil
}
