//go:build unix

package process

import (
	"fmt"
	"os/exec"
	"syscall"

	"github.com/mantledeploy/mantle/agent/internal/account"
)

// Become makes cmd run as account a, with its groups and none of this process's, its HOME and its name. cmd
// has its environment already. For the account of this process, and nil, it changes nothing.
func Become(cmd *exec.Cmd, a *account.Account) {
	if a.IsSelf() {
		return
	}
	attributes(cmd).Credential = &syscall.Credential{Uid: a.UID, Gid: a.GID, Groups: a.Groups}
	cmd.Env = a.Environment(cmd.Env)
}

// attributes are what of a process only this system has.
func attributes(cmd *exec.Cmd) *syscall.SysProcAttr {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	return cmd.SysProcAttr
}

// StartBare starts cmd, prepared by Become, in a process group of its own, without this process's protection from a lack of
// memory, and without any capability that this process holds beside those of root. What may be gained by a program that is set
// up for it (sudo, file capabilities) is not taken away: the owner of the machine set it up. A user who may not be become is an
// error that says so.
func StartBare(cmd *exec.Cmd) error {
	attributes(cmd).Setpgid = true
	err := withoutProtection(func() error { return withoutCapabilities(cmd.Start) })
	if err != nil && cmd.SysProcAttr.Credential != nil {
		return fmt.Errorf("as uid %d: %w", cmd.SysProcAttr.Credential.Uid, err)
	}
	return err
}
