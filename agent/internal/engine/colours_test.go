//go:build unix

package engine

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/api/step"
)

// Programs are asked for no colours, unless the Tentacle or the step says otherwise.
func TestScriptsAreAskedForNoColours(t *testing.T) {
	for name, c := range map[string]struct {
		tentacle []string
		step     []step.EnvVar
		want     string
	}{
		"nobody says anything": {want: "dumb|1\n"},
		"the Tentacle does":    {tentacle: []string{"TERM=xterm", "NO_COLOR="}, want: "xterm|\n"},
		"the step does":        {step: []step.EnvVar{{Name: "TERM", Value: step.Text("ansi")}, {Name: "NO_COLOR", Value: step.Text("")}}, want: "ansi|\n"},
	} {
		m := newMachine(t)
		m.prepare = func(cmd *exec.Cmd) {
			cmd.Env = slices.DeleteFunc(cmd.Env, func(e string) bool { return strings.HasPrefix(e, "TERM=") || strings.HasPrefix(e, "NO_COLOR=") })
			cmd.Env = append(cmd.Env, c.tentacle...)
		}
		if r := m.step(script(step.Bash, `echo "$(printenv TERM)|$(printenv NO_COLOR)"`, c.step...)).ok(t); r.shown != c.want {
			t.Errorf("%s: %q, want %q", name, r.shown, c.want)
		}
	}
}

// The output has the colours that a script gives it; the end of it, which goes into the run's status, has none, and no part of one
// where it is cut.
func TestTheTailHasNoColours(t *testing.T) {
	p := script(step.Bash, `for i in {1..400}; do printf '\e[38;5;%dm\e[1mred\e[0m\n' $i; done; exit 1`)
	r := newMachine(t).step(p).failed(t, 1, step.ReasonExitCode)
	if !strings.Contains(r.shown, "\x1b[38;5;400m\x1b[1mred\x1b[0m\n") {
		t.Errorf("output %q", r.shown)
	}
	if left := strings.TrimLeft(strings.ReplaceAll(r.result.Tail, "red\n", ""), "ed\n"); left != "red" {
		t.Errorf("tail %q", r.result.Tail)
	}
}
