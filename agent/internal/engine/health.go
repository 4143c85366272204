package engine

import (
	"context"
	"runtime"

	"github.com/mantledeploy/mantle/api/step"
)

// health runs the script that tells whether the machine is healthy; without one it is.
func health(ctx context.Context, s *session) step.Result {
	shell, text := step.Bash, s.plan.Health.Bash
	if runtime.GOOS == "windows" {
		shell, text = step.PowerShell, s.plan.Health.PowerShell
	}
	if text == "" {
		return step.Result{}
	}
	r := s.script(ctx, step.Run{Shell: shell, Script: text})
	if r.Reason == step.ReasonExitCode {
		r.Reason = step.ReasonUnhealthy
	}
	return r
}
