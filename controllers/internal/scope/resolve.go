package scope

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/api/variables"
)

// Value is a text, and whether it is sensitive.
type Value = variables.Value

// ErrTie is returned if two values of a variable are equally specific for a target.
var ErrTie = errors.New("two values are equally specific")

// SystemNames returns the names of the predefined variables. Input.System has a value for each. A project cannot define
// them.
func SystemNames() []string {
	return []string{"environment.name", "project.name", "release.version", "run.name", "target.name"}
}

// Input is what the evaluation of variables for one target depends on.
type Input struct {
	// Variables of the frozen process.
	Variables []v1alpha1.Variable
	// Environment and Target are names, TargetRoles the target's roles.
	Environment, Target string
	TargetRoles         []v1alpha1.Role
	// System are the values of SystemNames.
	System map[string]string
	// Output returns an output of a step on a target, by "<step>.<name>", where step is the leaf's own name. Names are not
	// case-sensitive. It is nil if no step has run.
	Output func(target, name string) (value string, given bool)
	// Lookup reads a value from a Secret or a ConfigMap. It is called only for values that apply.
	Lookup func(ref v1alpha1.ValueSource) (string, error)
}

// Resolve returns all variables of the project that have a value for the target, by name. The errors are those of Lookup,
// ErrTie, and those of variables.Evaluator except UnknownError; all name the variable.
func Resolve(in Input) (map[string]Value, error) {
	definitions := in.system()
	for _, v := range in.Variables {
		d, ok, err := in.define(v)
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", v.Name, err)
		}
		if ok {
			definitions[v.Name] = d
		}
	}
	evaluator := variables.NewEvaluator(definitions, in.output)
	values := map[string]Value{}
	for _, v := range in.Variables {
		if _, ok := definitions[v.Name]; !ok {
			continue
		}
		value, err := evaluator.Variable(v.Name)
		var unknown *variables.UnknownError
		if errors.As(err, &unknown) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", v.Name, err)
		}
		values[v.Name] = value
	}
	return values, nil
}

// Expand evaluates one string field with the result of Resolve. The error for a name without a value is a
// *variables.UnknownError.
func Expand(in Input, vars map[string]Value, text string) (Value, error) {
	definitions := in.system()
	for name, v := range vars {
		definitions[name] = variables.Definition{Text: v.Text, Literal: true, Sensitive: v.Sensitive}
	}
	for _, v := range in.Variables { // the error says why Resolve omitted it
		if _, ok := vars[v.Name]; ok {
			continue
		}
		if chosen, err := in.choose(v); err == nil && chosen != nil && chosen.Value != nil {
			definitions[v.Name] = variables.Definition{Text: *chosen.Value}
		}
	}
	value, err := variables.NewEvaluator(definitions, in.output).Expand(text)
	if err != nil {
		return Value{}, fmt.Errorf("in environment %s on target %s: %w", in.Environment, in.Target, err)
	}
	return value, nil
}

func (in Input) system() map[string]variables.Definition {
	definitions := make(map[string]variables.Definition, len(in.System)+len(in.Variables))
	for name, text := range in.System {
		definitions[name] = variables.Definition{Text: text, Literal: true}
	}
	return definitions
}

// define returns the definition of a variable for the target, and whether it has a value.
func (in Input) define(v v1alpha1.Variable) (variables.Definition, bool, error) {
	chosen, err := in.choose(v)
	switch {
	case err != nil || chosen == nil:
		return variables.Definition{}, false, err
	case chosen.Value != nil:
		return variables.Definition{Text: *chosen.Value}, true, nil
	case chosen.ValueFrom == nil:
		return variables.Definition{}, false, nil
	}
	text, err := in.Lookup(*chosen.ValueFrom)
	if err != nil {
		return variables.Definition{}, false, err
	}
	return variables.Definition{Text: text, Literal: true, Sensitive: chosen.ValueFrom.SecretKeyRef != nil}, true, nil
}

// choose returns the most specific value that applies, or nil.
func (in Input) choose(v v1alpha1.Variable) (*v1alpha1.VariableValue, error) {
	var best *v1alpha1.VariableValue
	tie := false
	for i := range v.Values {
		value := &v.Values[i]
		if !in.applies(value.Scope) {
			continue
		}
		switch {
		case best == nil || weight(value.Scope) > weight(best.Scope):
			best, tie = value, false
		case weight(value.Scope) == weight(best.Scope):
			tie = true
		}
	}
	if tie {
		return nil, fmt.Errorf("%w: target %s has several of the roles in their scopes; set scope.targets in one of them", ErrTie, in.Target)
	}
	return best, nil
}

func (in Input) applies(s *v1alpha1.VariableScope) bool {
	if s == nil {
		return true
	}
	if len(s.Environments) > 0 && !slices.Contains(s.Environments, v1alpha1.ObjectName(in.Environment)) {
		return false
	}
	if len(s.Targets) > 0 && !slices.Contains(s.Targets, v1alpha1.ObjectName(in.Target)) {
		return false
	}
	return len(s.Roles) == 0 || intersect(s.Roles, in.TargetRoles)
}

// weight orders scopes by how specific they are: targets, then roles, then environments.
func weight(s *v1alpha1.VariableScope) int {
	if s == nil {
		return 0
	}
	w := 0
	if len(s.Targets) > 0 {
		w += 4
	}
	if len(s.Roles) > 0 {
		w += 2
	}
	if len(s.Environments) > 0 {
		w++
	}
	return w
}

func intersect[T comparable](a, b []T) bool {
	return slices.ContainsFunc(a, func(x T) bool { return slices.Contains(b, x) })
}

// output returns an output of a step, on the named target or on the same target.
func (in Input) output(ref variables.Reference) (string, error) {
	target := ref.Target
	if target == "" {
		target = in.Target
	}
	if in.Output != nil {
		if text, given := in.Output(target, ref.Step+"."+ref.Output); given {
			return text, nil
		}
	}
	return "", fmt.Errorf("step %s has set no output %s on target %s; if it tried to, its log says why it was kept back", ref.Step, ref.Output, target)
}
