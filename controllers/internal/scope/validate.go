package scope

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/api/variables"
	"github.com/mantledeploy/mantle/controllers/internal/text"
)

const (
	maxProblems = 32   // of v1alpha1.ProjectStatus
	maxPath     = 256  // of v1alpha1.Problem
	maxMessage  = 1024 // of v1alpha1.Problem
	maxSources  = 128  // Secrets and ConfigMaps; all are read for each action
)

// action is a leaf of the process, with its path and order.
type action struct {
	v1alpha1.Leaf
	path  string // of the field
	order int
	roles []v1alpha1.Role
}

// check is the state of one validation.
type check struct {
	spec      v1alpha1.ProjectSpec
	actions   []action
	byName    map[string]action // by the leaf's own name
	variables map[string]int    // by lower-case name
	problems  []v1alpha1.Problem
}

// Validate returns the problems of a spec that is valid by its schema: at most 32, by kind in the spec's order.
func Validate(spec v1alpha1.ProjectSpec) []v1alpha1.Problem {
	c := &check{spec: spec, byName: map[string]action{}, variables: map[string]int{}}
	c.index()
	c.packages()
	c.steps()
	c.names()
	c.sources()
	c.ties()
	c.definitions()
	c.cycles()
	c.uses()
	if more := len(c.problems) - maxProblems + 1; more > 1 {
		c.problems = append(c.problems[:maxProblems-1], v1alpha1.Problem{Path: "spec", Message: fmt.Sprintf("%d more problems are not shown", more)})
	}
	return c.problems
}

func (c *check) add(path, format string, args ...any) {
	p := v1alpha1.Problem{Path: text.Cut(text.Line(path), maxPath), Message: text.Cut(text.Clean(fmt.Sprintf(format, args...)), maxMessage)}
	if !slices.Contains(c.problems, p) {
		c.problems = append(c.problems, p)
	}
}

func (c *check) index() {
	for order, l := range v1alpha1.Leaves(c.spec.Steps) {
		path := fmt.Sprintf("spec.steps[%d]", l.Index)
		if l.Child >= 0 {
			path += fmt.Sprintf(".steps[%d]", l.Child)
		}
		a := action{Leaf: l, path: path, order: order, roles: c.spec.Steps[l.Index].Roles}
		c.actions = append(c.actions, a)
		if _, taken := c.byName[string(l.Name)]; !taken {
			c.byName[string(l.Name)] = a
		}
	}
}

// packages checks the project's packages.
func (c *check) packages() {
	for i, p := range c.spec.Packages {
		path := fmt.Sprintf("spec.packages[%d]", i)
		if err := step.CheckSegment(string(p.Name)); err != nil {
			c.add(path+".name", "is not a valid folder name on every machine (%v): use another name", err)
		}
		if strings.ContainsAny(strings.ReplaceAll(p.URL, "{version}", ""), "{}") {
			c.add(path+".url", "{version} is the only placeholder: remove other braces, or write them as %%7B and %%7D")
			continue
		}
		if rest, https := strings.CutPrefix(p.URL, "https://"); https {
			switch host, _, _ := strings.Cut(rest, "/"); {
			case host == "":
				c.add(path+".url", "has no host: write for example https://packages.example.com/%s/{version}/%s.tar.gz", p.Name, p.Name)
			case strings.Contains(host, "@"):
				c.add(path+".url", "contains a user or a password, which would be shown in status: remove it")
			}
		}
	}
}

// steps checks the number and the names of steps, and each action.
func (c *check) steps() {
	if n := len(c.actions); n > v1alpha1.MaxLeafActions {
		c.add("spec.steps", "the process has %d scripts and packages, children included; at most %d are allowed: merge some", n, v1alpha1.MaxLeafActions)
	}
	taken := map[v1alpha1.StepName]string{}
	name := func(n v1alpha1.StepName, path string) {
		if first, ok := taken[n]; ok {
			c.add(path+".name", "the name %s is used by %s: step names must be unique in the whole process, children included", n, first)
			return
		}
		taken[n] = path
	}
	for i, s := range c.spec.Steps {
		name(s.Name, fmt.Sprintf("spec.steps[%d]", i))
		for j, child := range s.Steps {
			name(child.Name, fmt.Sprintf("spec.steps[%d].steps[%d]", i, j))
		}
	}
	for _, a := range c.actions {
		c.action(a)
	}
}

func (c *check) action(a action) {
	if a.Deploy != nil && !slices.ContainsFunc(c.spec.Packages, func(p v1alpha1.ProjectPackage) bool { return p.Name == a.Deploy.Package }) {
		c.add(a.path+".deploy.package", "there is no package %s in spec.packages: add it, or name one of %s", a.Deploy.Package, c.packageNames())
	}
	seen := map[string]v1alpha1.OutputName{}
	for i, o := range a.Outputs {
		key := strings.ToLower(string(o))
		if other, ok := seen[key]; ok && other != o {
			c.add(fmt.Sprintf("%s.outputs[%d]", a.path, i), "%s differs from %s only in case: rename one of them", o, other)
		}
		seen[key] = o
	}
	if a.Run == nil {
		return
	}
	for i, e := range a.Run.Env {
		if strings.HasPrefix(strings.ToUpper(e.Name), "MANTLE_") {
			c.add(fmt.Sprintf("%s.run.env[%d].name", a.path, i), "names that begin with MANTLE_ are reserved: use another name")
		}
	}
}

// shownField is a field of a script that every user of the machine can see.
type shownField struct {
	path, text string
	check      func(string) error
}

func (a action) shown() []shownField {
	return []shownField{
		{a.path + ".run.user", a.Run.User, step.CheckUser},
		{a.path + ".run.workingDir", a.Run.WorkingDir, step.CheckWorkingDir},
	}
}

// shownField checks a field without references, or that its references lead to no sensitive value.
func (c *check) shownField(f shownField) {
	t, err := variables.Parse(f.text)
	if f.text == "" || err != nil {
		return // references reports the error
	}
	if len(t.References()) == 0 {
		if err := f.check(f.text); err != nil {
			c.add(f.path, "%v", err)
		}
		return
	}
	if name := c.sensitive(t.References(), map[string]bool{}); name != "" {
		c.add(f.path, "the variable %s has a value from a Secret, and users of the machine can see this field: use another variable", name)
	}
}

// sensitive returns the first variable with a value from a Secret to which references lead; empty if there is none.
func (c *check) sensitive(refs []variables.Reference, seen map[string]bool) string {
	for _, ref := range refs {
		key := strings.ToLower(ref.Name)
		i, known := c.variables[key]
		if ref.IsOutput() || !known || seen[key] {
			continue
		}
		seen[key] = true
		for _, v := range c.spec.Variables[i].Values {
			if v.ValueFrom != nil && v.ValueFrom.SecretKeyRef != nil {
				return c.spec.Variables[i].Name
			}
		}
		if name := c.sensitive(c.named(i), seen); name != "" {
			return name
		}
	}
	return ""
}

func (c *check) packageNames() string {
	if len(c.spec.Packages) == 0 {
		return "them after you add one"
	}
	var names []string
	for _, p := range c.spec.Packages {
		names = append(names, string(p.Name))
	}
	return strings.Join(names, ", ")
}
