package dispatch

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/session"
	"github.com/mantledeploy/mantle/controllers/internal/text"
)

// judge reports how a complete script ended: by the engine's result if there is one, else by the Tentacle's exit code.
func (r *runner) judge(ctx context.Context) stage {
	if result, found := r.script.Result(); found {
		r.noteMissingContent(result)
		return r.end(func(report *Report) {
			byResult(report, r.script.ExitCode(), result)
			if report.Reason == v1alpha1.ReasonTimedOut {
				report.Message = timedOut(r.Timeout, result.Tail)
			}
		})
	}
	if r.startsAgain(ctx) {
		return preparing
	}
	switch {
	case r.forgets:
		return r.lost(r.ambiguousRestart())
	case r.cancelled.Err() != nil && r.script.Forgotten() && !r.script.Known():
		// StartScript did not arrive, and a machine with tombstones refuses the ticket from now on.
		return r.unsent(v1alpha1.StepCancelled, cause{v1alpha1.ReasonCancelled, "cancelled before it began"})
	case r.cancelled.Err() != nil && (r.script.ExitCode() == -1 || r.script.ExitCode() > 0):
		// Octopus's Tentacles kill the engine and return the exit code of the killed process.
		return r.ends(v1alpha1.StepCancelled, cause{v1alpha1.ReasonCancelled, "cancelled"})
	default:
		return r.end(func(report *Report) { byCode(report, r.script) })
	}
}

// noteMissingContent records that the machine lacks the content that it was believed to have, so that it is uploaded again.
func (r *runner) noteMissingContent(result step.Result) {
	if result.Reason == step.ReasonContentMissing && r.content != "" && r.session != nil {
		r.session.SetHasContent(r.content, false)
	}
}

// ambiguousRestart explains why the result of a step that may have been started twice is unknown: the engine reported
// none.
func (r *runner) ambiguousRestart() string {
	message := "the machine keeps no record of what it started, so the step was started again"
	if r.cancelled.Err() != nil {
		message += "; the cancel reached the second start, and the first may have run or may still run"
	} else if line := r.script.Stderr(); line != "" {
		message += ": " + line
	} else {
		message += fmt.Sprintf("; the second start ended with exit code %d and reported no result", r.script.ExitCode())
	}
	return message
}

// byResult fills the report from the engine's result; code is the Tentacle's exit code.
func byResult(report *Report, code int32, result step.Result) {
	own := int32(result.ExitCode)
	report.ExitCode, report.Seconds, report.Outputs, report.Message = &own, result.Seconds, result.Outputs, result.Tail
	if report.Begun.IsZero() {
		report.Begun = report.Finished.Add(-time.Duration(min(result.Seconds, maxSeconds) * float64(time.Second)))
	}
	switch {
	case code == tentacle.ExitCanceled || result.Reason == step.ReasonCancelled:
		report.Phase, report.Reason = v1alpha1.StepCancelled, v1alpha1.ReasonCancelled
	case result.Reason == step.ReasonTimedOut:
		report.Phase, report.Reason = v1alpha1.StepFailed, v1alpha1.ReasonTimedOut
	case own == 0:
		report.Phase, report.Reason, report.Message = v1alpha1.StepSucceeded, "", ""
	default:
		report.Phase, report.Reason = v1alpha1.StepFailed, cmp.Or(result.Reason, v1alpha1.ReasonExitCode)
	}
}

// timedOut returns the message of a step that took too long: that it did, and the end of its output without the engine's
// line about it.
func timedOut(after time.Duration, tail string) string {
	message := "timed out after " + text.Duration(after)
	lines := strings.Split(strings.TrimRight(tail, "\n"), "\n")
	if last := len(lines) - 1; strings.HasPrefix(lines[last], step.TimeOver) {
		lines = lines[:last]
	}
	if said := strings.TrimSpace(strings.Join(lines, "\n")); said != "" {
		message += "\n" + text.CutStart(said, maxMessage-len(message)-1)
	}
	return message
}

// byCode fills the report from an exit code of the Tentacle itself (see api/tentacle).
func byCode(report *Report, script *session.Script) { //nolint:cyclop // a table of exit codes
	code, line := script.ExitCode(), script.Stderr()
	set := func(phase v1alpha1.StepPhase, reason, message string) {
		report.Phase, report.Reason, report.Message = phase, reason, message
	}
	say := func(message string) string { return cmp.Or(line, message) }
	switch code {
	case tentacle.ExitCanceled:
		set(v1alpha1.StepCancelled, v1alpha1.ReasonCancelled, say("cancelled"))
	case tentacle.ExitTimeout:
		set(v1alpha1.StepFailed, v1alpha1.ReasonMutexTimedOut, "the machine was busy with other scripts for longer than the step may take")
	case tentacle.ExitUnknownScript, tentacle.ExitUnknownResult:
		set(v1alpha1.StepLost, v1alpha1.ReasonLost, "the machine no longer knows how the script ended")
	case tentacle.ExitLost:
		set(v1alpha1.StepLost, v1alpha1.ReasonLost, say("the machine lost the script"))
	case tentacle.ExitRefused:
		refused := session.Refusal(line)
		set(v1alpha1.StepFailed, refused.Reason, refused.Message)
		report.Sent = false // nothing began on the machine
	case tentacle.ExitAlreadyCompleted:
		alreadyCompleted(report, script.LastError())
	case tentacle.ExitAbandoned:
		set(v1alpha1.StepAbandoned, v1alpha1.ReasonAbandoned, say("processes survived the cancel"))
		report.Pids, _ = tentacle.ParseAbandoned(script.LastError())
	case 0:
		set(v1alpha1.StepLost, v1alpha1.ReasonLost, withoutResult(script))
	case step.ExitClaimed:
		set(v1alpha1.StepLost, v1alpha1.ReasonLost, say("the step was started before, and its result is unknown"))
	case step.ExitEngineMissing:
		set(v1alpha1.StepFailed, v1alpha1.ReasonTransferFailed, say("the engine is no longer on the machine"))
	default:
		if code >= 0 {
			report.ExitCode = &code
		}
		set(v1alpha1.StepFailed, v1alpha1.ReasonEngineFailed, say(fmt.Sprintf("the engine ended with exit code %d", code)))
	}
}

// withoutResult explains an exit code 0 that is not the step's, as the engine has told no result.
func withoutResult(script *session.Script) string {
	if script.Lost() {
		return "the Tentacle has forgotten the script, as one of its version does when it restarts; how it ended is not known"
	}
	return "the script ended without the engine's result"
}

// alreadyCompleted fills the report of a ticket that was completed before: its exit code may be kept, its output is gone.
func alreadyCompleted(report *Report, line string) {
	code, known := tentacle.ParseAlreadyCompleted(tentacle.ScriptStatusResponseV2{State: tentacle.Complete, ExitCode: tentacle.ExitAlreadyCompleted,
		Logs: []tentacle.ProcessOutput{{Source: tentacle.StdErr, Text: line}}})
	if !known {
		report.Phase, report.Reason, report.Message = v1alpha1.StepLost, v1alpha1.ReasonLost, "the ticket was completed before and its result was not kept"
		return
	}
	report.ExitCode, report.Phase = &code, v1alpha1.StepSucceeded
	if code != 0 {
		report.Phase, report.Reason = v1alpha1.StepFailed, v1alpha1.ReasonExitCode
		report.Message = fmt.Sprintf("exit code %d; the output is gone, as the ticket was completed before", code)
	}
}
