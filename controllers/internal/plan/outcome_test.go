package plan

import (
	"strings"
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

// An exception is said by its message, not by the last line of its stack.
func TestAnExceptionIsSaidByItsMessage(t *testing.T) {
	for want, output := range map[string]string{
		"OperationStopped: no such table": "begin\nOperationStopped: no such table\nAt /srv/Work/t/mantle-script.ps1:2 char:3\n+   throw \"no such table\"\n+   ~~~~~\n" +
			"at inner, /srv/Work/t/mantle-script.ps1: line 2\nat <ScriptBlock>, /srv/Work/t/mantle-script.ps1: line 4\n",
		"Missing closing ')' in expression.":         "ParserError: At /srv/s.ps1:1 char:9\n+ f(\n+   ~\nMissing closing ')' in expression.\n\nAt /srv/s.ps1:1 char:9\n+ f(\n+   ~\n",
		"java.lang.IllegalStateException: no table":  "java.lang.IllegalStateException: no table\n\tat com.example.Db.open(Db.java:3)\n\t... 12 more\n",
		"Unhandled exception. System.Exception: bad": "Unhandled exception. System.Exception: bad\n   at Program.Main() in /srv/p.cs:line 1\n",
		"  at first, then none":                      "begin\nat x, y: line z\n  at first, then none",
		"+ 3":                                        "+ 3",
	} {
		if got := lastLine(strings.Split(strings.TrimSpace(output), "\n")); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
