package plan

import (
	"testing"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
)

// What happened comes first, and then the last line of the output, not its first.
func TestAFailureIsSaidWithTheLastLine(t *testing.T) {
	code := int32(3)
	for want, a := range map[string]ledger.Attempt{
		"exit code 3":                               {ExitCode: &code, Reason: v1alpha1.ReasonExitCode},
		"exit code 3 (last line: no such table)":    {ExitCode: &code, Reason: v1alpha1.ReasonExitCode, Message: "begin\nno such table\n"},
		"timed out after 3s (last line: waiting)":   {ExitCode: &code, Reason: v1alpha1.ReasonTimedOut, Message: "timed out after 3s\nbegin\nwaiting"},
		"timed out after 3s":                        {Reason: v1alpha1.ReasonTimedOut, Message: "timed out after 3s"},
		"the package is larger than the disk":       {Reason: "DeployFailed", Message: "begin\nthe package is larger than the disk"},
		"MutexTimedOut":                             {Reason: v1alpha1.ReasonMutexTimedOut},
		"it was cancelled because it took too long": {Phase: v1alpha1.StepCancelled},
	} {
		if got := failureText(&a); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
