package daemon

import (
	"errors"
	"os/user"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/policy"
	"github.com/mantledeploy/mantle/agent/internal/trust"
	"github.com/mantledeploy/mantle/api/halibut"
)

// ownUser is the name of this process's user; empty where the system cannot tell.
func ownUser() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

// openPolicy opens the policy of the home, logs what is wrong with it, and records what comes into force.
func (p *parts) openPolicy(o Options) *policy.List {
	scriptUser := p.config.ScriptUser
	if scriptUser == "" {
		scriptUser = ownUser()
	}
	apart, _ := ScriptsRunApart(o.Home, p.config)
	applications := policy.OpenApplications(o.Home, func(t halibut.Thumbprint) bool {
		return !errors.Is(p.trust.CheckOperator(t), trust.ErrNotTrusted)
	})
	list := policy.Open(policy.Config{Home: o.Home, User: scriptUser, Apart: apart, Applications: applications, Logger: p.logger, Changed: p.policyChanged})
	_, _ = list.Policy() // which logs
	return list
}

// policyChanged records that the owner's rules are others than before.
func (p *parts) policyChanged(content []byte, problem error) {
	e := audit.Entry{What: audit.Policy, Decision: "in force"}
	if content != nil {
		e.Digest = audit.Digest(content)
	}
	switch {
	case problem != nil:
		e.Decision, e.Reason = "unusable", "nobody may run anything until it is mended"
	case content == nil:
		e.Decision, e.Reason = "gone", "trusted operators may do what the user of the scripts can"
	}
	p.audit.Note(e)
}

// allowed is whether a script may start: its operator is trusted, and the policy lets it.
func (p *parts) allowed(s policy.Start) (maxOutput int64, err error) {
	if err := p.trust.CheckOperator(s.Operator); err != nil {
		return 0, err
	}
	return p.policy.Check(s)
}
