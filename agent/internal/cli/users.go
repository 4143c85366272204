package cli

import (
	"fmt"
	"os"

	"github.com/mantledeploy/mantle/agent/internal/config"
	"github.com/mantledeploy/mantle/agent/internal/daemon"
	"github.com/mantledeploy/mantle/agent/internal/home"
)

// handOver gives the folders of scripts to their account, where that is another than the daemon's.
func (a *app) handOver(h home.Home, c config.Config) error {
	if c.ScriptUser == "" {
		return nil
	}
	who, err := daemon.LookupScriptUser(c)
	if err != nil {
		return err
	}
	if who.IsSelf() {
		return nil
	}
	if os.Geteuid() != 0 {
		fmt.Fprintf(a.out, "The folders of scripts do not belong to %s yet: run 'tentacle init' once as root.\n", who.Name)
		return nil
	}
	left, err := h.HandOver(who.UID, who.GID)
	if left > 0 {
		fmt.Fprintf(a.err, "%d files that have several names (hard links) were left as they are; give them to %s yourself if scripts are to change them.\n", left, who.Name)
	}
	return err
}
