package environment

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

const (
	// maxCurrent bounds status.current.
	maxCurrent = 100
	// maxRunning bounds status.running, which has to stay readable as a column.
	maxRunning = 120
)

// describe writes the counts into the environment's status; it is pure but for that.
func describe(f facts) {
	e, s := f.Environment, &f.Environment.Status
	s.ObservedGeneration = e.Generation
	s.Targets = v1alpha1.EnvironmentTargets{}
	for i := range f.Targets {
		count(&s.Targets, f.Targets[i].Status.Health)
	}
	s.Current = current(e.Name, f.Targets)
	s.Running = inLine(s.Current)
	c := status.Conditions{List: &s.Conditions, Generation: e.Generation}
	if f.Lost != nil {
		c.Stalled(v1alpha1.ReasonIdentityLost, f.Lost.Error())
		return
	}
	c.Ready(v1alpha1.ReasonCounted, fmt.Sprintf("%d of %d targets are healthy", s.Targets.Healthy, s.Targets.Total))
}

func count(counts *v1alpha1.EnvironmentTargets, health v1alpha1.TargetHealth) {
	counts.Total++
	switch health {
	case v1alpha1.HealthHealthy, v1alpha1.HealthHasWarnings:
		counts.Healthy++
	case v1alpha1.HealthUnhealthy:
		counts.Unhealthy++
	case v1alpha1.HealthUnavailable:
		counts.Unavailable++
	case v1alpha1.HealthUntrusted:
		counts.Untrusted++
	default:
		counts.Unknown++
	}
}

// current tells for each project which release most of its targets have.
func current(environment string, targets []v1alpha1.DeploymentTarget) []v1alpha1.CurrentRelease {
	total, having := map[string]int{}, map[string]map[string]int{}
	for _, t := range targets {
		for _, row := range t.Status.Installed {
			if row.Environment != environment {
				continue
			}
			total[row.Project]++
			if row.Phase == v1alpha1.InstalledSucceeded {
				if having[row.Project] == nil {
					having[row.Project] = map[string]int{}
				}
				having[row.Project][row.Release]++
			}
		}
	}
	var list []v1alpha1.CurrentRelease
	for _, project := range slices.Sorted(maps.Keys(total)) {
		if len(list) == maxCurrent {
			break
		}
		most := v1alpha1.CurrentRelease{Project: project, Targets: fmt.Sprintf("0/%d", total[project])}
		best := 0
		for _, release := range slices.SortedFunc(maps.Keys(having[project]), newestFirst) {
			if n := having[project][release]; n > best {
				best = n
				most.Release, most.Targets = release, fmt.Sprintf("%d/%d", n, total[project])
			}
		}
		list = append(list, most)
	}
	return list
}

// newestFirst orders versions; those that are equal by their text.
func newestFirst(a, b string) int {
	return cmp.Or(v1alpha1.Version(b).Compare(v1alpha1.Version(a)), strings.Compare(a, b))
}

// inLine is the list for a column: the API server's own would print the first project only.
func inLine(list []v1alpha1.CurrentRelease) string {
	line := ""
	for n, c := range list {
		words := c.Project + " " + c.Targets
		if c.Release != "" {
			words = c.Project + " " + c.Release + " " + c.Targets
		}
		if n > 0 {
			words = ", " + words
		}
		if n > 0 && len(line)+len(words) > maxRunning {
			return fmt.Sprintf("%s and %d more", line, len(list)-n)
		}
		line += words
	}
	return line
}
