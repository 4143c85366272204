package scope

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/api/variables"
)

// names checks the names of variables.
func (c *check) names() {
	for i, v := range c.spec.Variables {
		key, path := strings.ToLower(v.Name), fmt.Sprintf("spec.variables[%d].name", i)
		if first, ok := c.variables[key]; ok {
			c.add(path, "%s differs from %s (spec.variables[%d]) only in case, and names are not case-sensitive: rename one of them", v.Name, c.spec.Variables[first].Name, first)
			continue
		}
		c.variables[key] = i
		if slices.Contains(SystemNames(), key) || strings.HasPrefix(key, "steps.") {
			c.add(path, "%s is a reserved name: use another name", v.Name)
		}
	}
}

// sources checks the number of Secrets and ConfigMaps.
func (c *check) sources() {
	objects := map[Reference]bool{}
	for _, ref := range References(c.spec) {
		objects[Reference{Kind: ref.Kind, Name: ref.Name}] = true
	}
	if n := len(objects); n > maxSources {
		c.add("spec.variables", "refer to %d different Secrets and ConfigMaps, at most %d are allowed: put several keys into one", n, maxSources)
	}
}

// ties checks for values that are equally specific and can apply to the same target.
func (c *check) ties() {
	for i, v := range c.spec.Variables {
		for j := range v.Values {
			for k := range j {
				if tied(v.Values[k].Scope, v.Values[j].Scope) {
					c.add(fmt.Sprintf("spec.variables[%d].values[%d]", i, j),
						"is as specific as values[%d], and both can apply to the same target: give one of them a narrower scope, or remove it", k)
					break
				}
			}
		}
	}
}

func tied(a, b *v1alpha1.VariableScope) bool {
	if weight(a) != weight(b) {
		return false
	}
	if weight(a) == 0 {
		return true
	}
	return overlap(a.Environments, b.Environments) && overlap(a.Roles, b.Roles) && overlap(a.Targets, b.Targets)
}

// overlap reports whether two lists of a scope can match the same target. Both are empty or neither is.
func overlap[T comparable](a, b []T) bool { return len(a) == 0 || intersect(a, b) }

// definitions checks the texts of variables.
func (c *check) definitions() {
	for i, v := range c.spec.Variables {
		for j, value := range v.Values {
			if value.Value != nil {
				c.references(fmt.Sprintf("spec.variables[%d].values[%d].value", i, j), *value.Value)
			}
		}
	}
}

// references parses a text, checks that its references exist, and returns them.
func (c *check) references(path, text string) []variables.Reference {
	t, err := variables.Parse(text)
	if err != nil {
		c.add(path, "%v", err)
		return nil
	}
	for _, ref := range t.References() {
		if ref.IsOutput() {
			c.output(path, ref)
		} else if !c.known(ref.Name) {
			c.add(path, "there is no variable %s: define it in spec.variables, or write $%s for the literal text%s", ref.Name, ref, c.suggestion(ref.Name))
		}
	}
	return t.References()
}

func (c *check) known(name string) bool {
	key := strings.ToLower(name)
	_, ok := c.variables[key]
	return ok || slices.Contains(SystemNames(), key)
}

// suggestion returns a hint with a similar name; empty if there is none.
func (c *check) suggestion(name string) string {
	key := strings.ToLower(name)
	for _, v := range c.spec.Variables {
		if similar(key, strings.ToLower(v.Name)) {
			return fmt.Sprintf(" (did you mean %s?)", v.Name)
		}
	}
	for _, system := range SystemNames() {
		if similar(key, system) {
			return fmt.Sprintf(" (did you mean %s?)", system)
		}
	}
	return ""
}

// similar reports whether two names differ in one character, or only in the separators between their words.
func similar(a, b string) bool {
	const shortest = 4
	if len(a) < shortest || len(b) < shortest {
		return false
	}
	marks := strings.NewReplacer(".", "", "-", "", "_", "")
	if marks.Replace(a) == marks.Replace(b) {
		return true
	}
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return len(a) <= 1 && len(b) <= 1
}

// output checks that a step declares an output.
func (c *check) output(path string, ref variables.Reference) {
	a, ok := c.byName[ref.Step]
	if !ok {
		hint := "name a step that runs a script or deploys a package"
		if c.rolling(ref.Step) {
			hint = "it is a rolling step: name one of its children"
		}
		c.add(path, "%s: there is no such step with outputs: %s", ref, hint)
		return
	}
	if slices.ContainsFunc(declared(a), func(name string) bool { return strings.EqualFold(name, ref.Output) }) {
		return
	}
	c.add(path, "%s: step %s does not declare the output %s: add it to %s.outputs", ref, ref.Step, ref.Output, a.path)
}

func (c *check) rolling(name string) bool {
	return slices.ContainsFunc(c.spec.Steps, func(s v1alpha1.Step) bool { return string(s.Name) == name && len(s.Steps) > 0 })
}

// cycles checks for variables that refer to each other in a cycle, or too deeply.
func (c *check) cycles() {
	depth := make([]int, len(c.spec.Variables)) // -1 while on the path, 0 if not visited
	var visit func(i int, path []string) int
	visit = func(i int, path []string) int {
		name := c.spec.Variables[i].Name
		if depth[i] < 0 {
			start := slices.Index(path, name)
			c.add(fmt.Sprintf("spec.variables[%d]", i), "%v: break the cycle with a value that refers to none of them", &variables.CycleError{Path: append(slices.Clone(path[start:]), name)})
			return 0
		}
		if depth[i] > 0 {
			return depth[i]
		}
		depth[i] = -1
		deepest := 0
		for _, next := range c.refersTo(i) {
			deepest = max(deepest, visit(next, append(path, name)))
		}
		depth[i] = deepest + 1
		if depth[i] == variables.MaxDepth+1 {
			c.add(fmt.Sprintf("spec.variables[%d]", i), "%v: merge some of them", variables.ErrTooDeep)
		}
		return depth[i]
	}
	for i := range c.spec.Variables {
		visit(i, nil)
	}
}

// refersTo returns the variables to which any value of a variable refers, by index.
func (c *check) refersTo(i int) []int {
	var next []int
	for _, ref := range c.named(i) {
		if at, ok := c.variables[strings.ToLower(ref.Name)]; ok && !ref.IsOutput() && !slices.Contains(next, at) {
			next = append(next, at)
		}
	}
	return next
}

// named returns the references in all values of a variable.
func (c *check) named(i int) []variables.Reference {
	var refs []variables.Reference
	for _, value := range c.spec.Variables[i].Values {
		if value.Value == nil {
			continue
		}
		if t, err := variables.Parse(*value.Value); err == nil {
			refs = append(refs, t.References()...)
		}
	}
	return refs
}
