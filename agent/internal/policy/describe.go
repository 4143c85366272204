package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/mantledeploy/mantle/api/tentacle"
)

// Describe is what the policy allows, in words, with a line break after each.
func (p *Policy) Describe() string {
	var b strings.Builder
	for i := range p.Operators {
		p.Operators[i].describe(&b)
		b.WriteString("\n")
	}
	if !p.has(Anyone) {
		b.WriteString("Every other operator\n  may do nothing: it has no entry, and there is none for \"*\"\n\n")
	}
	if p.runsCode() {
		b.WriteString("A script that an operator may run is code of somebody's choosing, also as a run step or a health\n" +
			"script of Mantle's engine: it can do what its user can, in any folder that this user can reach.\n")
	}
	return b.String()
}

// MissingFolders are the allowed folders that this machine does not have, each once, in the order of the file.
func (p *Policy) MissingFolders() []string {
	var missing []string
	for _, r := range p.Operators {
		for _, f := range r.Folders {
			if info, err := os.Stat(f); (errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir()) && !slices.Contains(missing, f) {
				missing = append(missing, f)
			}
		}
	}
	return missing
}

func (p *Policy) has(operator string) bool {
	for _, r := range p.Operators {
		if r.Operator == operator {
			return true
		}
	}
	return false
}

// runsCode tells whether anybody may run a script.
func (p *Policy) runsCode() bool {
	for _, r := range p.Operators {
		if r.Interpreters == nil || len(r.Interpreters) > 0 {
			return true
		}
	}
	return false
}

func (r *Rules) describe(b *strings.Builder) {
	name := "Operator " + r.Operator
	if r.Operator == Anyone {
		name = "Every operator without an entry of its own"
	}
	row := func(what, format string, args ...any) {
		fmt.Fprintf(b, "  %-9s"+format+"\n", append([]any{what}, args...)...)
	}
	b.WriteString(name + "\n")
	if r.Hours == nil {
		row("when", "at any time")
	} else {
		row("when", "%s; health by connectivity and inventory at any time", r.Hours)
	}
	if r.MaxScripts == 0 {
		row("at once", "any number of scripts")
	} else {
		row("at once", "%d at most that deploy or run something, and as many that look (health, inventory)", r.MaxScripts)
	}
	if r.MaxOutput != 0 {
		row("output", "the first and last of it, %d KiB together, of each script", r.MaxOutput>>10)
	}
	if r.Applications != nil {
		row("deploys", "to %s below Applications, whoever deployed there first", words(r.Applications))
	} else {
		row("deploys", "to folders below Applications that no other operator has")
	}
	if !r.RequireEngine {
		row("what", "any script, as a user that it can become, in any folder; any file in the home but .tentacle and Work")
		return
	}
	row("what", "steps of Mantle's engine only; no other script, no other engine, no files but packages")
	if r.Interpreters != nil && len(r.Interpreters) == 0 {
		row("scripts", "none: packages are deployed, and nothing of the operator's runs")
		return
	}
	row("scripts", "%s", orAll(words(r.Interpreters), r.Interpreters == nil, "by any interpreter"))
	row("as user", "%s", orAll(words(r.Users), r.Users == nil, "any that the Tentacle can become"))
	row("in", "%s", orAll("the step's own folder, "+words(r.Folders), r.Folders == nil, "any folder"))
}

func orAll(text string, all bool, otherwise string) string {
	if all {
		return otherwise
	}
	return text
}

// Explain says what a standing means, in one sentence for people.
func Explain(s tentacle.Policy) string {
	switch s {
	case tentacle.PolicyEnforced:
		return "enforced: scripts run as another user than the daemon and cannot change the policy"
	case tentacle.PolicyAdvisory:
		return "advisory: scripts run as the daemon's own user, so that one could rewrite the policy; set scriptUser to have it enforced"
	default:
		return "none: trusted operators may do what the user of the scripts can"
	}
}
