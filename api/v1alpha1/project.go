package v1alpha1

import "time"

// DefaultStepTimeout is how long a step may take on one target when its author says nothing.
const DefaultStepTimeout = time.Hour

// MaxStepTimeout is the longest that a step may take. A timeout above it was not read from a Project.
const MaxStepTimeout = 168 * time.Hour

// MaxLeafActions is how many scripts and packages a process may have in all.
const MaxLeafActions = 64

// Leaf is one step that runs a script or deploys a package, wherever it stands in the process.
type Leaf struct {
	// Path is "step", or "parent/child" for a child of a rolling step.
	Path string
	// Index is the place of the top-level step in the process.
	Index int
	// Child is the place in the rolling step, or -1.
	Child int
	// Name of the step itself.
	Name StepName
	StepModifiers
}

// Leaves are the steps of a process that run a script or deploy a package, in order.
func Leaves(steps []Step) []Leaf {
	var leaves []Leaf
	for i, s := range steps {
		if len(s.Steps) == 0 {
			leaves = append(leaves, Leaf{Path: string(s.Name), Index: i, Child: -1, Name: s.Name, StepModifiers: s.StepModifiers})
			continue
		}
		for j, c := range s.Steps {
			leaves = append(leaves, Leaf{Path: string(s.Name) + "/" + string(c.Name), Index: i, Child: j, Name: c.Name, StepModifiers: c.StepModifiers})
		}
	}
	return leaves
}

// GetTimeout is how long the step may take on one target, from the start of its process there.
func (m StepModifiers) GetTimeout() time.Duration {
	if m.Timeout == nil || m.Timeout.Duration <= 0 {
		return DefaultStepTimeout
	}
	return min(m.Timeout.Duration, MaxStepTimeout)
}

// GetCondition is the step's condition, Success unless given.
func (m StepModifiers) GetCondition() StepCondition {
	if m.Condition == "" {
		return ConditionSuccess
	}
	return m.Condition
}

// Addresses tells whether the step is for a target with these roles.
func (s Step) Addresses(roles []Role) bool {
	if len(s.Roles) == 0 {
		return true
	}
	for _, want := range s.Roles {
		for _, has := range roles {
			if want == has {
				return true
			}
		}
	}
	return false
}
