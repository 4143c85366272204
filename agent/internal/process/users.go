package process

import (
	"fmt"
	"os/exec"
)

// become makes cmd run as the account of scripts, and makes the pipes of its output.
func (s *supervision) become(cmd *exec.Cmd) (*Pipes, error) {
	a, err := s.account()
	if err != nil {
		return nil, err
	}
	Become(cmd, a)
	return NewPipes(a)
}

func scriptUserError(name string, err error) error {
	return fmt.Errorf("scripts run as %s (scriptUser in the Tentacle's settings): %w", name, err)
}
