package step

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// The exit codes of the engine's own. Where a script ran to its end its own code is the step's.
const (
	// ExitFailed is a step that the engine could not do; the reason says why.
	ExitFailed = 1
	// ExitPlanRefused is a plan or a file of secrets that the engine does not take.
	ExitPlanRefused = 120
	// ExitEngineMissing is a call of an engine that an operator brought and that is not there any more.
	ExitEngineMissing = 119
	// ExitClaimed is a second start of a step of which nobody knows how it ended; it does nothing.
	ExitClaimed = 121
	// ExitTimedOut is a step that was ended because its time was over.
	ExitTimedOut = 124
	// ExitNotFound is an interpreter that the machine does not have.
	ExitNotFound = 127
	// ExitCancelled is a step that was ended by a signal to the engine.
	ExitCancelled = 143
)

// The reasons of a step that did not end well.
const (
	// ReasonExitCode: the script ended with a code other than 0.
	ReasonExitCode = "ExitCode"
	// ReasonTimedOut: the step's time was over and its processes were ended.
	ReasonTimedOut = "TimedOut"
	// ReasonCancelled: the engine was told to end, and ended the step's processes.
	ReasonCancelled = "Cancelled"
	// ReasonInterpreterNotFound: the machine has no such interpreter; the text says what to install.
	ReasonInterpreterNotFound = "InterpreterNotFound"
	// ReasonUserRefused: the script is to run as a user that the machine does not have, or that the Tentacle
	// may not become; the text says what its owner can do.
	ReasonUserRefused = "UserRefused"
	// ReasonWorkingDirNotFound: the folder that the script is to begin in is not there.
	ReasonWorkingDirNotFound = "WorkingDirNotFound"
	// ReasonOutputsInvalid: the script wrote something into its file of outputs that is no output; the text has the line's number.
	ReasonOutputsInvalid = "OutputsInvalid"
	// ReasonEnvironmentTooLarge: the machine's system gives no process so much environment; the text names the variable.
	ReasonEnvironmentTooLarge = "EnvironmentTooLarge"
	// ReasonMutexTimedOut: another step of the machine ran for longer than this one may take; nothing was done.
	ReasonMutexTimedOut = "MutexTimedOut"
	// ReasonContentMissing: the package's content is not on the machine; it must be sent.
	ReasonContentMissing = "ContentMissing"
	// ReasonContentCorrupt: the content has another digest than the plan says; it was removed.
	ReasonContentCorrupt = "ContentCorrupt"
	// ReasonPackageRefused: the archive holds what would leave its folder, or is too large.
	ReasonPackageRefused = "PackageRefused"
	// ReasonDeployFailed: the machine could not unpack or switch the package.
	ReasonDeployFailed = "DeployFailed"
	// ReasonUnhealthy: the health script ended with a code other than 0.
	ReasonUnhealthy = "Unhealthy"
	// ReasonEngineFailed: the engine could not begin, keep its journal, or the like.
	ReasonEngineFailed = "EngineFailed"
)

// TimeOver begins the last line that the engine prints of a step that took too long.
const TimeOver = "the step's time is over"

// The bounds of a result.
const (
	MaxTail     = 1024
	MaxWarnings = 20
	MaxWarning  = 512
	MaxOutputs  = 64 << 10 // bytes of all names and values
	MaxOutput   = 32 << 10 // bytes of one value
	MaxReason   = 64       // bytes of a reason
)

// Result is how a step ended, as its engine says. Tail and Warnings are masked. Outputs are as the script gave them: one with a
// sensitive value in it is not among them.
type Result struct {
	// ExitCode is that of the script, or one of this package's.
	ExitCode int `json:"exitCode"`
	// Reason is empty when the step ended well.
	Reason string `json:"reason,omitempty"`
	// Outputs travel in lines of their own, not in the result's.
	Outputs map[string]string `json:"-"`
	// OutputsCut says that some outputs were dropped because they were too many or too long.
	OutputsCut bool `json:"outputsCut,omitempty"`
	// Tail is the end of the output of a step that failed, at most MaxTail bytes.
	Tail string `json:"tail,omitempty"`
	// Seconds is how long the step took by the machine's clock.
	Seconds  float64  `json:"seconds"`
	Warnings []string `json:"warnings,omitempty"`
	// Skipped says that the package was already installed.
	Skipped bool `json:"skipped,omitempty"`
}

// FormatResult is the engine's last line. It cuts what is over the bounds of a result.
func FormatResult(nonce string, r Result) (string, error) {
	body, err := json.Marshal(r.bounded())
	if err != nil {
		return "", fmt.Errorf("encoding the result: %w", err)
	}
	return message{"result", []attribute{{"nonce", nonce}, {"body", string(body)}}}.format(mantlePrefix), nil
}

// bounded cuts a result to what may be kept of it; a reader does the same, as it trusts no machine.
func (r Result) bounded() Result {
	if len(r.Reason) > MaxReason || !isWord(r.Reason, "") {
		r.Reason = ReasonEngineFailed
	}
	r.Tail = lastBytes(r.Tail, MaxTail)
	if len(r.Warnings) > MaxWarnings {
		r.Warnings = r.Warnings[:MaxWarnings]
	}
	warnings := make([]string, len(r.Warnings))
	for i, w := range r.Warnings {
		warnings[i] = firstBytes(w, MaxWarning)
	}
	r.Warnings = warnings
	if len(warnings) == 0 {
		r.Warnings = nil
	}
	return r
}

// lastBytes keeps at most n bytes from the end, whole characters only.
func lastBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	s = s[len(s)-n:]
	for len(s) > 0 && !utf8.RuneStart(s[0]) {
		s = s[1:]
	}
	return s
}

// firstBytes keeps at most n bytes from the beginning, whole characters only.
func firstBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
