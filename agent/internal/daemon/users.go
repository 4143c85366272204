package daemon

import (
	"errors"
	"fmt"
	"os"

	"github.com/mantledeploy/mantle/agent/internal/account"
	"github.com/mantledeploy/mantle/agent/internal/config"
	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/process"
)

// LookupScriptUser asks the system for the account of the setting scriptUser. Errors match ErrConfig and name the remedy.
func LookupScriptUser(c config.Config) (*account.Account, error) {
	a, err := process.LookupAccount(c.ScriptUser)
	switch {
	case errors.Is(err, process.ErrNoAccount):
		return nil, scriptUserError("%w; make it ('useradd --system --user-group %s'), or name another", err, c.ScriptUser)
	case err != nil:
		return nil, scriptUserError("%w; name another account", err)
	}
	return a, nil
}

// ScriptAccount looks up the account of the setting scriptUser, and makes sure that this process can start
// scripts as it, that they find what they need, and that they could not take over what belongs to the daemon.
// It is nil where scripts run as the daemon's own user. executable is this program, which scripts call.
// Errors match ErrConfig and name the remedy.
func ScriptAccount(h home.Home, c config.Config, executable string) (*account.Account, error) {
	if c.ScriptUser == "" {
		return nil, nil //nolint:nilnil // no other account
	}
	a, err := LookupScriptUser(c)
	if err != nil {
		return nil, err
	}
	if a.IsSelf() {
		return nil, nil //nolint:nilnil // the same
	}
	if err := process.MayBecome(a); err != nil {
		return nil, scriptUserError("%w: start the Tentacle as root, or give its unit AmbientCapabilities=CAP_SETUID CAP_SETGID CAP_KILL, or leave the setting empty", err)
	}
	if os.Geteuid() == 0 {
		if err := h.HandOverEmpty(a.UID, a.GID); err != nil {
			return nil, scriptUserError("%w", err)
		}
	}
	if err := h.CheckApart(a.UID, a.Name); err != nil && a.UID != 0 {
		return nil, scriptUserError("%w", err)
	}
	err = account.As(a, func() error {
		_, program := os.Stat(executable)
		_, folder := os.ReadDir(h.Applications())
		return errors.Join(program, folder)
	})
	if err != nil {
		return nil, scriptUserError("%s cannot reach what scripts need: %w; let all enter the folders above it ('chmod o+x')", a.Name, err)
	}
	return a, nil
}

func scriptUserError(format string, args ...any) error {
	return fmt.Errorf("%w: key scriptUser (--script-user, TENTACLE_SCRIPT_USER): %w", ErrConfig, fmt.Errorf(format, args...))
}

// ScriptsRunApart says whether the scripts of a home run as another user than its daemon, so that policy and
// audit log are out of their reach. Otherwise both are only advisory, and reason says why in one sentence. It
// goes by the settings and by whom the state folder belongs to, and so can be asked of a daemon that does not run.
func ScriptsRunApart(h home.Home, c config.Config) (apart bool, reason string) {
	if c.ScriptUser == "" {
		return false, "Scripts run as the daemon's own user, as scriptUser is not set."
	}
	a, err := process.LookupAccount(c.ScriptUser)
	if err != nil {
		return false, fmt.Sprintf("Whom scripts run as is not known: %s.", err)
	}
	owner, known := h.StateOwner()
	switch {
	case !known:
		return false, "On this system scripts run as the daemon's own user."
	case owner == a.UID:
		return false, fmt.Sprintf("Scripts run as %s, which is the daemon's own user.", a.Name)
	case a.UID == 0:
		return false, fmt.Sprintf("Scripts run as %s, which has the rights of root.", a.Name)
	}
	return true, ""
}
