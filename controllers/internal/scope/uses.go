package scope

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/api/variables"
)

// uses checks the references in fields of steps, direct ones and those through variables.
func (c *check) uses() {
	for _, a := range c.actions {
		if a.Run == nil {
			continue
		}
		for i, e := range a.Run.Env {
			path := fmt.Sprintf("%s.run.env[%d].value", a.path, i)
			c.follow(a, path, "", c.references(path, e.Value), map[int]bool{})
		}
		for _, f := range a.shown() {
			c.follow(a, f.path, "", c.references(f.path, f.text), map[int]bool{})
			c.shownField(f)
		}
	}
}

// follow checks the outputs to which a field refers. through is the name of the variable that contains the references.
func (c *check) follow(a action, path, through string, refs []variables.Reference, seen map[int]bool) {
	for _, ref := range refs {
		if ref.IsOutput() {
			c.use(a, path, through, ref)
			continue
		}
		if i, ok := c.variables[strings.ToLower(ref.Name)]; ok && !seen[i] {
			seen[i] = true
			c.follow(a, path, c.spec.Variables[i].Name, c.named(i), seen)
		}
	}
}

// use checks that an output exists when a step reads it, and is unambiguous.
func (c *check) use(a action, path, through string, ref variables.Reference) {
	from, ok := c.byName[ref.Step]
	if !ok {
		return // reported at the reference
	}
	what := ref.String()
	if through != "" {
		what += " (through the variable " + through + ")"
	}
	switch {
	case from.order == a.order:
		c.add(path, "%s: a step cannot refer to its own output", what)
	case from.order > a.order:
		c.add(path, "%s: step %s comes after this one: move it before, or remove the reference", what, ref.Step)
	case ref.Target == "" && from.Index != a.Index && !covers(from.roles, a.roles):
		c.add(path, "%s is ambiguous: step %s does not run on every target that this step addresses: name the target, for example $(steps.%s.outputs[\"<target>\"].%s)",
			what, ref.Step, ref.Step, ref.Output)
	}
}

// covers reports whether a step with the roles some addresses every target that a step with the roles others addresses.
func covers(some, others []v1alpha1.Role) bool {
	if len(some) == 0 {
		return true
	}
	return len(others) > 0 && !slices.ContainsFunc(others, func(r v1alpha1.Role) bool { return !slices.Contains(some, r) })
}

// declared returns the outputs that a step can set.
func declared(a action) []string {
	var names []string
	for _, o := range a.Outputs {
		names = append(names, string(o))
	}
	if a.Deploy != nil {
		names = append(names, step.OutputPackageDirectory, step.OutputPackageVersion)
	}
	return names
}
