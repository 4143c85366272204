package engine

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/mantledeploy/mantle/api/step"
)

// defaults are what a script gets unless its Tentacle has it, or its step sets it.
var defaults = [][2]string{
	{"PYTHONUNBUFFERED", "1"}, // so that Python's output comes while it runs
	{"NO_COLOR", "1"},         // the output goes to no terminal
	{"TERM", "dumb"},
}

// environment is what a script gets: what it has of its Tentacle, the step's values and its names, and its files.
func environment(base []string, files scriptFiles, values []string) []string {
	var all []string
	for _, e := range base {
		if !strings.HasPrefix(strings.ToUpper(e), "MANTLE_") {
			all = append(all, e)
		}
	}
	for _, d := range defaults {
		if !slices.ContainsFunc(base, func(e string) bool { return strings.HasPrefix(e, d[0]+"=") }) {
			all = append(all, d[0]+"="+d[1])
		}
	}
	return append(append(all, values...), step.EnvVariables+"="+files.variables, step.EnvOutput+"="+files.outputs)
}

// values are the step's own values, and the names of the MANTLE_ family.
func (s *session) values(env []step.EnvVar) ([]string, error) {
	var all []string
	for _, e := range env {
		value := s.value(e.Value)
		if strings.ContainsRune(value, 0) {
			return nil, fmt.Errorf("the environment variable %s has a value with a zero byte, which no process can be given", e.Name)
		}
		all = append(all, e.Name+"="+value)
	}
	engine, err := s.place.engine()
	if err != nil {
		return nil, err
	}
	p := s.plan
	for _, e := range [][2]string{
		{step.EnvEngine, engine[0]}, {step.EnvHome, s.home},
		{step.EnvNamespace, p.Namespace}, {step.EnvEnvironment, p.Environment}, {step.EnvProject, p.Project},
		{step.EnvRelease, p.Release}, {step.EnvRun, p.RunName}, {step.EnvStep, p.Step}, {step.EnvTarget, p.Target},
		{step.EnvTicket, p.Ticket},
	} {
		all = append(all, e[0]+"="+e[1])
	}
	return all, nil
}

// tentacleEnvironment are the variables that the Tentacle gives to every script, which sudo does not pass on.
func tentacleEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(e string) bool {
		return !strings.HasPrefix(e, "Tentacle") && !strings.HasPrefix(e, "AgentProgram") && !strings.HasPrefix(e, "CalamariPackage")
	})
}

// enginePath is this program's own path.
func enginePath() (string, error) {
	if path := os.Getenv(step.EnvEngine); path != "" {
		return path, nil
	}
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding the engine's own program: %w", err)
	}
	return path, nil
}
