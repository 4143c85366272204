package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// The names of the rules, as refusals tell them and the file spells them. RulePolicy refuses everything while the
// file cannot be used, RuleOperators those who have no entry.
const (
	RulePolicy        = "policy"
	RuleOperators     = "operators"
	RuleHours         = "hours"
	RuleMaxScripts    = "maxScripts"
	RuleMaxOutput     = "maxOutput"
	RuleRequireEngine = "requireEngine"
	RuleInterpreters  = "interpreters"
	RuleUsers         = "users"
	RuleFolders       = "folders"
	RuleApplications  = "applications"
)

// Anyone is the entry of operators that have none of their own.
const Anyone = "*"

// Policy is the content of a file.
type Policy struct {
	// Operators are the entries in the order of the file.
	Operators []Rules
}

// Rules are one operator's. What is not set is not restricted.
type Rules struct {
	// Operator is a thumbprint in its canonical form, or Anyone.
	Operator string
	// Hours is when the operator may run scripts and upload; nil is always.
	Hours *Hours
	// MaxScripts is how many scripts may run at once; 0 is no limit.
	MaxScripts int
	// MaxOutput is how many bytes of a script's output are kept; 0 is what the Tentacle keeps by itself.
	MaxOutput int64
	// RequireEngine refuses everything but engine calls, and transfers but those of packages.
	RequireEngine bool
	// Interpreters, Users and Folders restrict the scripts of engine calls; nil is all.
	Interpreters []step.Shell
	Users        []string
	Folders      []string
	// Applications are the folders below Applications to which the operator may deploy, whoever deployed there first. Nil is
	// those that belong to it, and those that belong to nobody.
	Applications []string
}

// Refusal is what a policy does not allow. It is never retried.
type Refusal struct{ rule, why string }

// Error is the line that the operator gets, in the words of the contract.
func (r *Refusal) Error() string { return tentacle.RefusedByPolicy(r.rule, r.why) }

// Rule is the name of the rule, for the audit log.
func (r *Refusal) Rule() string { return r.rule }

func refuse(rule, format string, args ...any) *Refusal {
	return &Refusal{rule: rule, why: fmt.Sprintf(format, args...)}
}

// Start is the start of a script, as far as a policy asks.
type Start struct {
	// Operator and SHA1 are the thumbprints of the operator's certificate. SHA1 may be empty where it is not known.
	Operator, SHA1 halibut.Thumbprint
	// Call is what the engine was called for; nil is a raw script.
	Call *Call
	// Turn says that the script's turn has come, and Running how many of the operator's scripts of its sort run:
	// queries of the engine (Call.Query) are one sort, all else is another.
	Turn    bool
	Running int
}

// Rules are those of an operator; nil where there are none.
func (p *Policy) rules(operator, sha1 halibut.Thumbprint) *Rules {
	for _, name := range []string{string(operator), string(sha1), Anyone} {
		if i := slices.IndexFunc(p.Operators, func(r Rules) bool { return name != "" && r.Operator == name }); i >= 0 {
			return &p.Operators[i]
		}
	}
	return nil
}

// gives tells whether the policy names the operators who may deploy to a folder below Applications.
func (p *Policy) gives(folder string) bool {
	return p != nil && slices.ContainsFunc(p.Operators, func(r Rules) bool { return slices.Contains(r.Applications, folder) })
}

// check is the first rule that refuses s. user is who runs what names no user.
func (r *Rules) check(s Start, user string, now time.Time) *Refusal {
	if refused := r.checkHours(s, now); refused != nil {
		return refused
	}
	if r.RequireEngine {
		if refused := r.checkCall(s.Call, user); refused != nil {
			return refused
		}
	}
	if s.Turn && r.MaxScripts > 0 && s.Running >= r.MaxScripts {
		return refuse(RuleMaxScripts, "%d scripts of this operator run on this machine already, and no more may at once", s.Running)
	}
	return nil
}

// checkHours lets engine calls that run no code of the operator's through at any time: they change nothing.
func (r *Rules) checkHours(s Start, now time.Time) *Refusal {
	if r.Hours == nil || r.Hours.Contain(now) || s.Call != nil && s.Call.harmless() {
		return nil
	}
	return refuse(RuleHours, "this operator may use this machine %s; it is %s there", r.Hours, r.Hours.clock(now))
}

func (r *Rules) checkCall(c *Call, user string) *Refusal {
	switch {
	case c == nil:
		return refuse(RuleRequireEngine, "only steps of Mantle's engine may run on this machine, and this is a script of another kind")
	case c.Problem != "":
		return refuse(RuleRequireEngine, "the plan cannot be checked: %s", c.Problem)
	case c.Interpreter == "":
		return nil
	}
	if r.Interpreters != nil && !slices.Contains(r.Interpreters, c.Interpreter) {
		return refuse(RuleInterpreters, "%s may not be used on this machine; allowed: %s", c.Interpreter, words(r.Interpreters))
	}
	if c.User != "" {
		user = c.User
	}
	if r.Users != nil && !slices.Contains(r.Users, user) {
		return refuse(RuleUsers, "scripts may not run as %q on this machine; allowed: %s", user, words(r.Users))
	}
	if r.Folders != nil && c.Folder != "" && !inside(r.Folders, c.Folder) {
		return refuse(RuleFolders, "scripts may not work in %q on this machine; allowed: the step's own folder, %s", c.Folder, words(r.Folders))
	}
	return nil
}

// words is a list for people.
func words[T ~string](all []T) string {
	if len(all) == 0 {
		return "none"
	}
	texts := make([]string, len(all))
	for i, one := range all {
		texts[i] = string(one)
	}
	return strings.Join(texts, ", ")
}

// checkTransfer is what refuses a transfer of path.
func (r *Rules) checkTransfer(path string, upload bool, now time.Time) *Refusal {
	if upload && r.Hours != nil && !r.Hours.Contain(now) {
		return r.checkHours(Start{}, now)
	}
	if r.RequireEngine && !step.IsContentPath(path) {
		return refuse(RuleRequireEngine, "only the packages of deployments may be transferred on this machine (Files/mantle/SHA256/content.FORMAT), and this is %.200q", path)
	}
	return nil
}

// Standing is how binding a policy is: present says that there is a file, apart that scripts run as another user
// than the daemon and so cannot rewrite it.
func Standing(present, apart bool) tentacle.Policy {
	switch {
	case !present:
		return tentacle.PolicyNone
	case apart:
		return tentacle.PolicyEnforced
	default:
		return tentacle.PolicyAdvisory
	}
}
