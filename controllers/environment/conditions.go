package environment

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

const (
	// maxCurrent limits the length of status.current.
	maxCurrent = 100
	// maxRunning limits the length of status.running, which is a printed column.
	maxRunning = 120
)

// describe sets the environment's status from the facts.
func describe(f facts) {
	e, s := f.Environment, &f.Environment.Status
	s.ObservedGeneration = e.Generation
	s.Targets = v1alpha1.EnvironmentTargets{}
	for i := range f.Targets {
		count(&s.Targets, f.Targets[i].Status.Health)
	}
	s.Current = current(e.Name, f.Targets, f.Excluded)
	s.Running = joined(s.Current)
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

// current returns for each project the release that most of its targets have.
func current(environment string, targets []v1alpha1.DeploymentTarget, excluded sets.Set[string]) []v1alpha1.CurrentRelease {
	all := map[string]*desired.Releases{}
	for i := range targets {
		for j := range targets[i].Status.Installed {
			row := &targets[i].Status.Installed[j]
			if row.Environment != environment || excluded.Has(row.Project) {
				continue
			}
			if all[row.Project] == nil {
				all[row.Project] = &desired.Releases{}
			}
			all[row.Project].Add(row)
		}
	}
	var list []v1alpha1.CurrentRelease
	for _, project := range slices.Sorted(maps.Keys(all)) {
		if len(list) == maxCurrent {
			break
		}
		c := v1alpha1.CurrentRelease{Project: project}
		c.Release, c.Targets, c.Others = all[project].Most()
		list = append(list, c)
	}
	return list
}

// joined returns the list as one string for a printed column, in which the API server would print only the first project.
func joined(list []v1alpha1.CurrentRelease) string {
	line := ""
	for n, c := range list {
		words := c.Project + " " + c.Targets
		if c.Release != "" {
			words = c.Project + " " + c.Release + " " + c.Targets
		}
		if c.Others != "" {
			words += " (" + c.Others + ")"
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
