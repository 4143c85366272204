//go:build !unix

package tentacletest

import (
	"context"

	"github.com/mantledeploy/mantle/api/tentacle"
)

// Bash cannot run on this system: it ends as on a machine without Bash.
func Bash(_ context.Context, e *Execution) int32 {
	e.Print(tentacle.StdErr, "launching Bash: this system has none")
	return tentacle.ExitLaunchFailed
}
