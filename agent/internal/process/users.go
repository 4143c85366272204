package process

import (
	"fmt"
	"os"
	"os/exec"

	"github.com/mantledeploy/mantle/agent/internal/account"
)

// become makes cmd run as the account of scripts, and makes the pipes of its output.
func (s *supervision) become(cmd *exec.Cmd) (readers, writers [2]*os.File, err error) {
	a, err := s.account()
	if err != nil {
		return readers, writers, err
	}
	Become(cmd, a)
	return pipes(a)
}

func scriptUserError(name string, err error) error {
	return fmt.Errorf("scripts run as %s (scriptUser in the Tentacle's settings): %w", name, err)
}

// pipes makes two pipes that account a may open by their names too, as a script does with /dev/stderr.
func pipes(a *account.Account) (readers, writers [2]*os.File, err error) {
	err = account.As(a, func() error {
		for i := range readers {
			if readers[i], writers[i], err = os.Pipe(); err != nil {
				return fmt.Errorf("making a pipe: %w", err)
			}
		}
		return nil
	})
	return readers, writers, err
}
