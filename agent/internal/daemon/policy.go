package daemon

import (
	"log/slog"
	"os/user"

	"github.com/mantledeploy/mantle/agent/internal/config"
	"github.com/mantledeploy/mantle/agent/internal/policy"
)

// ownUser is the name of this process's user; empty where the system cannot tell.
func ownUser() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

// openPolicy opens the policy of the home, and logs what is wrong with it.
func openPolicy(o Options, c config.Config, logger *slog.Logger) *policy.List {
	scriptUser := c.ScriptUser
	if scriptUser == "" {
		scriptUser = ownUser()
	}
	apart, _ := ScriptsRunApart(o.Home, c)
	list := policy.Open(policy.Config{Home: o.Home, User: scriptUser, Apart: apart, Logger: logger})
	_, _ = list.Policy() // which logs
	return list
}

// allowed is whether a script may start: its operator is trusted, and the policy lets it.
func (p *parts) allowed(s policy.Start) (maxOutput int64, err error) {
	if err := p.trust.CheckOperator(s.Operator); err != nil {
		return 0, err
	}
	return p.policy.Check(s)
}
